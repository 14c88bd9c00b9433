// Hand-overs of many requests at once, with everything that can go wrong.
#include <gtest/gtest.h>

#include <deque>
#include <map>

#include "base/rng.h"
#include "engine/cache/page_pool.h"
#include "engine/handover/handover.h"

namespace fathom::engine {
namespace {

/// Many requests over two pools, with cancels, damage, lack of pages and a side that may fall
/// silent.
struct Storm {
  static constexpr i64 kPoolPages = 12;
  explicit Storm(u64 seed) : rng(seed, 3) {}
  i64 pick(i64 count) { return static_cast<i64>(rng.at(counter++)[0] % static_cast<u32>(count)); }
  std::span<u8> page(PagePool& pool, PageId id) {
    return {pool.data(id), static_cast<size_t>(pool.shape().page_bytes())};
  }

  void begin() {
    const i64 count = 1 + pick(3);
    if (from.num_free() < count || sender.state(next_request)) return;
    std::vector<std::span<const u8>> pages;
    for (i64 i = 0; i < count; ++i) {
      const PageId id = from.allocate();
      sent[next_request].push_back(id);
      const std::span<u8> bytes = page(from, id);
      std::fill(bytes.begin(), bytes.end(),
                static_cast<u8>(next_request * 5 + static_cast<u64>(i)));
      pages.push_back(bytes);
    }
    sender.offer(next_request++, std::move(pages), now_s);
  }
  void give_back(PagePool& pool, std::map<u64, std::vector<PageId>>& held, u64 request) {
    ASSERT_TRUE(held.contains(request)) << "given back twice";
    for (const PageId id : held[request]) pool.release(id);
    held.erase(request);
  }
  void changed(u64 request, ReceiveState state) {
    if (state != ReceiveState::kReady) return give_back(to, got, request);
    ++ready;
    for (size_t i = 0; i < got[request].size(); ++i) {
      for (const u8 byte : page(to, got[request][i]))
        ASSERT_EQ(byte, static_cast<u8>(request * 5 + i));
    }
    decoding.push_back(request);
  }
  std::optional<std::vector<std::span<u8>>> room(u64 request, i64 pages) {
    if (to.num_free() < pages) return std::nullopt;
    std::vector<std::span<u8>> spans;
    for (i64 i = 0; i < pages; ++i) {
      got[request].push_back(to.allocate());
      spans.push_back(page(to, got[request].back()));
    }
    return spans;
  }
  void act() {
    now_s += 0.01;
    const u64 some = next_request - static_cast<u64>(pick(6)) - 1;
    switch (pick(14)) {
      case 0:
      case 1:
        return begin();
      case 2:
        if (pick(6) == 0) sender.cancel(some, now_s);
        return;
      case 3:
        if (pick(6) == 0) receiver.cancel(some, now_s);
        return;
      case 4:
      case 5:
      case 6:
        return sender.look_around(now_s, 1);
      case 7:
        return receiver.look_around(now_s);
      case 8:
        if (pick(60) == 0) now_s += 6;
        return;
      case 9: {
        if (decoding.empty()) return;
        const u64 request = decoding.front();
        decoding.pop_front();
        if (receiver.state(request) != ReceiveState::kReady) return;  // ended by an abort
        receiver.forget(request);
        return give_back(to, got, request);
      }
      case 10:
        if (!there.empty() && there.front().say == Say::kPage && pick(8) == 0)
          there.front().page[1] ^= 4;
        return;
      case 11:
      case 12:
        if (!there.empty()) {
          const auto m = std::move(there.front());
          there.pop_front();
          receiver.hear(m, now_s);
        }
        return;
      default:
        if (!back.empty()) {
          const auto m = std::move(back.front());
          back.pop_front();
          sender.hear(m, now_s);
        }
        return;
    }
  }

  Philox rng;
  u64 counter = 0, next_request = 1;
  double now_s = 0;
  i64 ready = 0;
  PagePool from{{.layers = 1, .row_bytes = 16}, kPoolPages},
      to{{.layers = 1, .row_bytes = 16}, kPoolPages};
  std::map<u64, std::vector<PageId>> sent, got;
  std::deque<u64> decoding;
  std::deque<HandoverMessage> there, back;
  PageSender sender{{},
                    [this](HandoverMessage m) { there.push_back(std::move(m)); },
                    [this](u64 request, SendState) { give_back(from, sent, request); }};
  PageReceiver receiver{{},
                        [this](HandoverMessage m) { back.push_back(std::move(m)); },
                        [this](u64 request, i64 pages) { return room(request, pages); },
                        [this](u64 request, ReceiveState state) { changed(request, state); }};
};

TEST(HandoverTest, StormsOfAbortsLeakNoPage) {
  i64 ready = 0;
  for (u64 seed = 0; seed < 20; ++seed) {
    Storm storm(seed);
    for (int i = 0; i < 6000 && !::testing::Test::HasFatalFailure(); ++i) storm.act();
    for (int i = 0; i < 4; ++i) {
      storm.sender.look_around(storm.now_s += 100, 0);
      storm.receiver.look_around(storm.now_s);
    }
    EXPECT_EQ(storm.from.num_free(), Storm::kPoolPages) << "seed " << seed;
    EXPECT_EQ(storm.sender.under_way(), 0);
    for (const auto& [request, pages] : storm.got) {
      EXPECT_EQ(storm.receiver.state(request), ReceiveState::kReady)
          << "seed " << seed << " request " << request;
    }
    ready += storm.ready;
  }
  EXPECT_GT(ready, 500) << "enough came through for the rest to mean something";
}

}  // namespace
}  // namespace fathom::engine
