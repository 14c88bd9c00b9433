// Thousands of random requests against a plain model of the cache: a map from (namespace, text) to
// what it holds, searched from end to end. The model is told nothing but the pages that come back.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "engine/cache/paged_cache.h"
#include "engine/cache/test_pages.h"

namespace fathom::engine {
namespace {

using device::kPageTokens;
using Ids = std::vector<i32>;

i64 common_prefix(const Ids& a, const Ids& b) {
  i64 common = 0;
  while (common < std::min(std::ssize(a), std::ssize(b)) &&
         a[static_cast<size_t>(common)] == b[static_cast<size_t>(common)]) {
    ++common;
  }
  return common;
}

struct Space {
  std::string owner, salt;
  Namespace view() const { return {owner, salt}; }
  std::string mark() const { return owner + "/" + salt; }
  auto operator<=>(const Space&) const = default;  // NOLINT: its zeros are no pointers
};

/// One page: the whole text up to its end.
struct Text {
  Space space;
  Ids ids;
  auto operator<=>(const Text&) const = default;  // NOLINT: its zeros are no pointers

  i64 begin() const { return (std::ssize(ids) - 1) / kPageTokens * kPageTokens; }
  i64 tokens() const { return std::ssize(ids) - begin(); }
  /// Whether `other` stands one page further.
  bool is_parent_of(const Text& other) const {
    return space == other.space && other.begin() == std::ssize(ids) &&
           common_prefix(ids, other.ids) == std::ssize(ids);
  }
  bool is_sibling_of(const Text& other) const {
    return space == other.space && begin() == other.begin() &&
           common_prefix(ids, other.ids) >= begin();
  }
};

struct Page {
  PageId id;
  i64 exact_tokens;
  u64 last_use;
};

struct Sequence {
  Space space;
  Ids ids;
  std::vector<PageId> pages;
  i64 exact_tokens = 0;
  i64 prompt_tokens = 0;
};

class World {
 public:
  explicit World(u64 seed) : random_(seed) {}

  void step() {
    const i64 dice = draw(100);
    if (dice < 40 && sequences_.size() < 4) {
      begin();
    } else if (sequences_.empty()) {
      return;
    } else if (dice < 70) {
      grow(sequences_[pick()]);
    } else if (dice < 98) {
      end(pick());
    } else {
      flush();
    }
    check_accounts();
  }

  void end_all() {
    while (!sequences_.empty()) end(0);
    for (const char* owner : {"a", "b", "c"}) cache_.flush(owner);
    pages_.clear();
    check_accounts();
    EXPECT_EQ(cache_.num_free(), kPages);
  }

  i64 hits = 0, exact_hits = 0, partial_hits = 0, evictions = 0, refusals = 0;

 private:
  static constexpr i64 kPages = 16;

  i64 draw(i64 below) { return static_cast<i64>(random_() % static_cast<u64>(below)); }
  size_t pick() { return static_cast<size_t>(draw(std::ssize(sequences_))); }

  /// Of few pieces, so that texts meet, and part at any token.
  void extend(Ids& ids, i64 tokens) {
    while (std::ssize(ids) < tokens) {
      const i32 piece = static_cast<i32>(draw(4) == 0 ? draw(3) : 0);
      const i64 room = tokens - std::ssize(ids);
      const i64 length = std::min(room, draw(4) == 0 ? 1 + draw(127) : kPageTokens);
      for (i64 t = 0; t < length; ++t) ids.push_back(piece);
    }
  }

  void begin() {
    Sequence s;
    s.space = {std::string(1, static_cast<char>('a' + draw(3))), draw(4) == 0 ? "salt" : ""};
    extend(s.ids, 1 + draw(500));
    s.prompt_tokens = std::ssize(s.ids);
    const RowKind rows = draw(2) == 0 ? RowKind::kExact : RowKind::kAny;
    const i64 limit = std::ssize(s.ids) - 1;
    const CacheHit hit = cache_.lookup(s.space.view(), s.ids, {limit, rows});
    check_hit(s, hit, limit, rows);
    s.pages = hit.pages;
    i64 computed = std::ssize(hit.pages) * kPageTokens;
    s.exact_tokens = std::min(hit.exact_tokens, computed);
    if (hit.partial != kNoPage) {
      const PageId own = allocate();
      if (own != kNoPage) {
        cache_.copy_rows(own, hit.partial, hit.partial_tokens);
        s.pages.push_back(own);
        computed += hit.partial_tokens;
        s.exact_tokens = hit.exact_tokens;
      }
      cache_.release(hit.partial);
    }
    compute(s, computed);
    sequences_.push_back(std::move(s));
  }

  /// Rows from `computed` on, as long as there are pages; without one the text ends.
  void compute(Sequence& s, i64 computed) {
    for (; computed < std::ssize(s.ids); ++computed) {
      if (computed % kPageTokens == 0) {
        const PageId page = allocate();
        if (page == kNoPage) {
          ++refusals;
          s.ids.resize(static_cast<size_t>(computed));
          return;
        }
        s.pages.push_back(page);
      }
      const bool exact = computed < s.prompt_tokens && s.exact_tokens == computed;
      s.exact_tokens += exact ? 1 : 0;
      write_mark(cache_.data(s.pages.back()), computed % kPageTokens,
                 row_mark(s.space.mark(), s.ids, computed, exact));
    }
  }

  void grow(Sequence& s) {
    const i64 computed = std::ssize(s.ids);
    if (computed == 0) return;
    extend(s.ids, computed + 1 + draw(200));
    compute(s, computed);
    publish(s, draw(3) == 0 ? std::ssize(s.ids) : std::ssize(s.ids) / kPageTokens * kPageTokens);
  }

  void end(size_t which) {
    Sequence s = sequences_[which];
    sequences_.erase(sequences_.begin() + static_cast<std::ptrdiff_t>(which));
    if (draw(10) != 0) publish(s, std::ssize(s.ids));
    for (const PageId page : s.pages) cache_.release(page);
  }

  void flush() {
    const std::string owner(1, static_cast<char>('a' + draw(3)));
    const auto dropped =
        std::erase_if(pages_, [&](const auto& page) { return page.first.space.owner == owner; });
    EXPECT_EQ(cache_.flush(owner), static_cast<i64>(dropped));
  }

  /// Whoever is evicted must be the oldest leaf that nobody holds, of an owner above its share if
  /// there is one.
  PageId allocate() {
    const i64 free = cache_.num_free();
    const PageId page = cache_.allocate();
    if (free > 0) return page;
    std::optional<Text> expected;
    for (const bool above_share : {true, false}) {
      if (!expected) expected = oldest_leaf(above_share);
    }
    if (!expected) {
      EXPECT_EQ(page, kNoPage);
      return page;
    }
    EXPECT_EQ(page, pages_.at(*expected).id);
    ++evictions;
    pages_.erase(*expected);
    return page;
  }

  std::optional<Text> oldest_leaf(bool above_share) {
    std::optional<Text> oldest;
    u64 age = ~u64{0};
    for (const auto& [text, page] : pages_) {
      const bool has_child = std::any_of(
          pages_.begin(), pages_.end(),
          [&parent = text](const auto& other) { return parent.is_parent_of(other.first); });
      const bool excluded = above_share && count_of(text.space.owner) <= kPages / 2;
      if (has_child || excluded || cache_.references(page.id) != 1 || page.last_use >= age) {
        continue;
      }
      oldest = text;
      age = page.last_use;
    }
    return oldest;
  }

  i64 count_of(const std::string& owner) const {
    return std::count_if(pages_.begin(), pages_.end(),
                         [&](const auto& page) { return page.first.space.owner == owner; });
  }

  void use(Text text) {
    for (;; text.ids.resize(static_cast<size_t>(text.begin()))) {
      if (const auto found = pages_.find(text); found != pages_.end()) {
        found->second.last_use = ++uses_;
      }
      if (text.begin() == 0) return;
    }
  }

  void check_hit(const Sequence& s, const CacheHit& hit, i64 limit, RowKind rows) {
    const auto serves = [rows](const Text& text, const Page& page) {
      return text.begin() + (rows == RowKind::kExact ? page.exact_tokens : text.tokens());
    };
    // The pages that are held whole, and then the best of those that follow.
    i64 full = 0;
    for (; full + kPageTokens <= limit; full += kPageTokens) {
      const Text text = {s.space, {s.ids.begin(), s.ids.begin() + full + kPageTokens}};
      const auto found = pages_.find(text);
      if (found == pages_.end() || serves(text, found->second) < full + kPageTokens) break;
      ASSERT_EQ(hit.pages.at(static_cast<size_t>(full / kPageTokens)), found->second.id);
    }
    ASSERT_EQ(std::ssize(hit.pages) * kPageTokens, full);
    i64 best = full;
    std::optional<Text> partial;
    for (const auto& [text, page] : pages_) {
      if (text.space != s.space || text.begin() != full) continue;
      const i64 common = std::min({common_prefix(text.ids, s.ids), serves(text, page), limit});
      best = std::max(best, common);
      if (page.id == hit.partial) partial = text;
    }
    ASSERT_EQ(hit.tokens(), best);
    ASSERT_EQ(partial.has_value(), hit.partial_tokens > 0);
    if (partial) {
      use(*partial);
    } else if (full > 0) {
      use({s.space, {s.ids.begin(), s.ids.begin() + full}});
    }
    check_rows(s, hit);
    if (rows == RowKind::kExact) {
      ASSERT_EQ(hit.exact_tokens, best);
    }
    hits += best > 0;
    partial_hits += hit.partial_tokens > 0;
    exact_hits += rows == RowKind::kExact && best > 0;
  }

  void check_rows(const Sequence& s, const CacheHit& hit) {
    for (i64 t = 0; t < hit.tokens(); ++t) {
      const size_t p = static_cast<size_t>(t / kPageTokens);
      u8* const page = cache_.data(p < hit.pages.size() ? hit.pages[p] : hit.partial);
      const auto is = [&](bool exact) {
        return has_mark(page, t % kPageTokens, row_mark(s.space.mark(), s.ids, t, exact));
      };
      ASSERT_TRUE(is(true) || (is(false) && t >= hit.exact_tokens)) << "row " << t;
    }
  }

  void publish(const Sequence& s, i64 tokens) {
    tokens = std::min(tokens, std::ssize(s.ids));
    if (tokens == 0) return;
    const size_t pages = static_cast<size_t>((tokens + kPageTokens - 1) / kPageTokens);
    const i64 exact = std::min(s.exact_tokens, tokens);
    cache_.insert(s.space.view(), {s.ids.data(), static_cast<size_t>(tokens)},
                  {s.pages.data(), pages}, exact);
    Text last;
    for (size_t p = 0; p < pages; ++p) {
      const i64 begin = static_cast<i64>(p) * kPageTokens;
      const i64 end = std::min(begin + kPageTokens, tokens);
      last = {s.space, {s.ids.begin(), s.ids.begin() + end}};
      last = publish_page(last, {s.pages[p], std::clamp<i64>(exact - begin, 0, end - begin), 0});
    }
    use(last);
  }

  /// Returns the page that holds the text now.
  Text publish_page(const Text& text, const Page& page) {
    if (const auto same = pages_.find(text); same != pages_.end()) {
      if (same->second.exact_tokens < page.exact_tokens) {
        forget(page.id);
        pages_[text] = page;
      }
      return text;
    }
    bool has_ids = false, has_exact = page.exact_tokens == 0;
    std::optional<Text> holder;
    for (const auto& [other, held] : pages_) {
      if (!text.is_sibling_of(other)) continue;
      const i64 common = common_prefix(other.ids, text.ids) - text.begin();
      has_exact |= std::min(common, held.exact_tokens) >= page.exact_tokens;
      if (common < text.tokens()) continue;
      has_ids = true;
      if (!holder) holder = other;  // the first in the order of ids
    }
    if (has_ids && has_exact) return *holder;
    forget(page.id);
    std::erase_if(pages_, [&](const auto& other) {
      return other.first.is_sibling_of(text) && other.second.exact_tokens <= page.exact_tokens &&
             common_prefix(other.first.ids, text.ids) == std::ssize(other.first.ids);
    });
    pages_[text] = page;
    return text;
  }

  void forget(PageId id) {
    std::erase_if(pages_, [id](const auto& page) { return page.second.id == id; });
  }

  void check_accounts() {
    std::map<PageId, i64> references;
    for (const auto& [text, page] : pages_) ++references[page.id];
    for (const Sequence& s : sequences_) {
      for (const PageId page : s.pages) ++references[page];
    }
    for (PageId page = 0; page < kPages; ++page) {
      ASSERT_EQ(cache_.references(page), references[page]) << "page " << page;
    }
    const i64 unheld = std::count_if(pages_.begin(), pages_.end(), [&](const auto& page) {
      return references[page.second.id] == 1;
    });
    ASSERT_EQ(cache_.num_available(), cache_.num_free() + unheld);
    i64 pages = 0, tokens = 0, expected_tokens = 0;
    for (const auto& [owner, stats] : cache_.stats()) {
      pages += stats.pages;
      tokens += stats.tokens;
    }
    for (const auto& [text, page] : pages_) expected_tokens += text.tokens();
    ASSERT_EQ(pages, std::ssize(pages_));
    ASSERT_EQ(tokens, expected_tokens);
  }

  std::mt19937_64 random_;
  PagedCache cache_{kTestShape, {.num_pages = kPages}};
  std::map<Text, Page> pages_;
  std::vector<Sequence> sequences_;
  u64 uses_ = 0;
};

TEST(PagedCacheRandom, IsTheModel) {
  i64 hits = 0, exact_hits = 0, partial_hits = 0, evictions = 0, refusals = 0;
  for (u64 seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    World world(seed);
    for (int i = 0; i < 500 && !::testing::Test::HasFailure(); ++i) world.step();
    if (!::testing::Test::HasFailure()) world.end_all();
    hits += world.hits;
    exact_hits += world.exact_hits;
    partial_hits += world.partial_hits;
    evictions += world.evictions;
    refusals += world.refusals;
  }
  // It has met what it is for.
  EXPECT_GT(hits, 1000);
  EXPECT_GT(exact_hits, 300);
  EXPECT_GT(partial_hits, 500);
  EXPECT_GT(evictions, 1000);
  EXPECT_GT(refusals, 100);
}

}  // namespace
}  // namespace fathom::engine
