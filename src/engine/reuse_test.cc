// What requests find in the cache, in memory and on disk, for every shape of model and cache.
#include <filesystem>
#include <fstream>
#include <thread>

#include "engine/test_predictable.h"
#include "testing/for_each_isa.h"

namespace fathom::engine {
namespace {

struct Shape {
  const char* name;
  bool is_llama;
  ops::CacheDType cache;
  i64 drafts;
};
void PrintTo(const Shape& shape, std::ostream* out) { *out << shape.name; }

class ReuseTest : public ::testing::TestWithParam<Shape> {
 protected:
  static TestModel& model() {
    static TestModel v3(tiny_v3(/*mtp=*/1), 0.06), llama(tiny_llama(), 0.1);
    return GetParam().is_llama ? llama : v3;
  }
  static std::unique_ptr<Engine> engine(const std::filesystem::path& disk = {}) {
    EngineOptions options{.context_tokens = 1024,
                          .cache_tokens = 8192,
                          .cache_dtype = GetParam().cache,
                          .draft_tokens = GetParam().drafts,
                          .adaptive_drafts = false};
    options.disk = {.directory = disk, .max_bytes = i64{1} << 30, .content = "tiny"};
    return model().engine(options);
  }
  static std::vector<i32> some_ids(i64 count, u64 seed) {
    std::vector<i32> ids;
    for (i64 i = 0; i < count; ++i) {
      ids.push_back(static_cast<i32>(Philox(seed, 9).at(static_cast<u64>(i))[0] % 276));
    }
    return ids;
  }
  static GenerateRequest request(std::vector<i32> ids, const std::string& tenant) {
    GenerateRequest request;
    request.prompt_ids = std::move(ids);
    request.sampling.temperature = 0.8;
    request.max_tokens = 12;
    request.top_log_probs = 1;
    request.tenant = tenant;
    return request;
  }
  static std::vector<i32> joined(std::vector<i32> first, std::span<const i32> second) {
    first.insert(first.end(), second.begin(), second.end());
    return first;
  }
  testing::ScopedThreads one_thread_{1};
};

std::string name_of(const ::testing::TestParamInfo<Shape>& shape) { return shape.param.name; }

INSTANTIATE_TEST_SUITE_P(Shapes, ReuseTest,
                         ::testing::Values(Shape{"V3", false, ops::CacheDType::kBf16, 3},
                                           Shape{"V3Fp8", false, ops::CacheDType::kFp8, 3},
                                           Shape{"V3F32", false, ops::CacheDType::kF32, 0},
                                           Shape{"Llama", true, ops::CacheDType::kBf16, 0},
                                           Shape{"LlamaFp8", true, ops::CacheDType::kFp8, 0}),
                         name_of);

// Check 72. That nobody is faster for what others asked is a matter of tokens computed.
TEST_P(ReuseTest, APromptIsReusedInItsNamespaceAlone) {
  const GenerateRequest asked = request(some_ids(1000, 1), "a");
  const auto one = engine(), fresh = engine();
  const Outcome first = run_one(*one, asked), again = run_one(*one, asked);
  EXPECT_EQ(first.stats.cached_tokens, 0);
  EXPECT_EQ(again.stats.cached_tokens, 999);
  EXPECT_EQ(again.answers, first.answers);

  GenerateRequest other_tenant = asked, other_salt = asked, no_cache = asked;
  other_tenant.tenant = "b";
  other_salt.cache_salt = "s";
  no_cache.cache_use = CacheUse::kNone;
  run_one(*fresh, asked);
  for (const GenerateRequest& stranger : {other_tenant, other_salt, no_cache}) {
    const EngineCounters before = one->counters();
    const Outcome outcome = run_one(*one, stranger);
    EXPECT_EQ(outcome.stats.cached_tokens, 0);
    EXPECT_EQ(outcome.answers, first.answers);
    EXPECT_EQ(one->counters().prompt_tokens - before.prompt_tokens, 1000u);
    EXPECT_EQ(one->counters().decode_passes - before.decode_passes,
              fresh->counters().decode_passes);
  }
}

// Check 73: the client leaves the thought out of what it sends back.
TEST_P(ReuseTest, ATurnBehindAThoughtReusesAllBeforeTheThought) {
  const auto one = engine(), fresh = engine();
  const std::vector<i32> turn = some_ids(333, 2);
  const Answer thought = run_one(*one, request(turn, "a")).answers[0];
  const std::vector<i32> next = joined(turn, some_ids(60, 3));
  const Outcome second = run_one(*one, request(next, "a"));
  EXPECT_EQ(second.stats.cached_tokens, 333);
  EXPECT_EQ(second.answers, run_one(*fresh, request(next, "a")).answers);

  // With the answer in it: its rows are not a prompt's. Whoever wants them asks.
  GenerateRequest whole = request(joined(joined(turn, thought.ids), some_ids(20, 4)), "a");
  EXPECT_EQ(run_one(*one, whole).stats.cached_tokens, 333);
  run_one(*one, request(turn, "b"));
  whole.tenant = "b";
  whole.cache_use = CacheUse::kAny;
  EXPECT_EQ(run_one(*one, whole).stats.cached_tokens, 333 + 11) << "all but the last token's row";
}

// Rows of a prompt that stand on rows of decoding are no better than those.
TEST_P(ReuseTest, RowsBehindThoseOfAnAnswerAreNotExact) {
  const auto one = engine(), fresh = engine();
  GenerateRequest turn = request(some_ids(100, 12), "a");
  turn.max_tokens = 60;
  const Answer answer = run_one(*one, turn).answers[0];
  GenerateRequest next =
      request(joined(joined(turn.prompt_ids, answer.ids), some_ids(150, 13)), "a");
  next.cache_use = CacheUse::kAny;
  EXPECT_EQ(run_one(*one, next).stats.cached_tokens, 159);
  next.prompt_ids.push_back(5);
  next.cache_use = CacheUse::kExact;
  const Outcome exact = run_one(*one, next);
  EXPECT_EQ(exact.stats.cached_tokens, 100);
  EXPECT_EQ(exact.answers, run_one(*fresh, next).answers);
}

// Any beginning can be reused, and what is has the bits of what is computed.
TEST_P(ReuseTest, EveryLengthOfACommonBeginning) {
  const std::vector<i32> whole = some_ids(300, 6);
  const auto one = engine();
  run_one(*one, request(whole, "a"));
  for (const i64 common : {0, 1, 2, 127, 128, 129, 130, 200, 255, 256, 257, 299}) {
    auto ids = joined({whole.begin(), whole.begin() + common},
                      some_ids(9, 100 + static_cast<u64>(common)));
    ids[static_cast<size_t>(common)] = (whole[static_cast<size_t>(common)] + 1) % 276;
    const Outcome got = run_one(*one, request(ids, "a"));
    EXPECT_EQ(got.stats.cached_tokens, common);
    EXPECT_EQ(got.answers, run_one(*engine(), request(ids, "a")).answers) << common;
  }
}

class DiskReuseTest : public ReuseTest {};
INSTANTIATE_TEST_SUITE_P(Shapes, DiskReuseTest,
                         ::testing::Values(Shape{"V3Fp8", false, ops::CacheDType::kFp8, 3},
                                           Shape{"Llama", true, ops::CacheDType::kBf16, 0}),
                         name_of);

// Check 75, but for the kill, which the tests of the cache do.
TEST_P(DiskReuseTest, ASecondEngineFindsThePagesOnDisk) {
  const testing::TempDir directory;
  const auto pages = directory.path() / "pages";
  const GenerateRequest asked = request(some_ids(1000, 7), "a");
  const Outcome first = run_one(*engine(pages), asked);
  {
    const auto second = engine(pages);
    while (!second->counters().disk.is_scanned) std::this_thread::yield();
    const Outcome again = run_one(*second, asked);
    EXPECT_EQ(again.stats.cached_tokens, 999);
    EXPECT_EQ(again.answers, first.answers);
    EXPECT_EQ(second->counters().disk.pages_read, 8);
    EXPECT_EQ(second->counters().disk.damaged, 0);
    GenerateRequest stranger = asked;
    stranger.tenant = "b";
    EXPECT_EQ(run_one(*second, stranger).stats.cached_tokens, 0);
  }
  // One byte of each file, in the middle of its rows.
  for (const auto& file : std::filesystem::directory_iterator(pages)) {
    if (file.path().extension() != ".page") continue;
    std::fstream bytes(file.path(), std::ios::in | std::ios::out | std::ios::binary);
    const auto middle = static_cast<std::streamoff>(file.file_size() / 2);
    bytes.seekg(middle);
    const char byte = static_cast<char>(bytes.get() ^ 1);
    bytes.seekp(middle);
    bytes.put(byte);
  }
  const auto third = engine(pages);
  while (!third->counters().disk.is_scanned) std::this_thread::yield();
  const Outcome damaged = run_one(*third, asked);
  EXPECT_EQ(damaged.answers, first.answers);
  EXPECT_EQ(damaged.stats.cached_tokens, 0);
  EXPECT_GT(third->counters().disk.damaged, 0);
}

// In memory and on disk, and what runs meanwhile leaves none; other tenants keep theirs.
TEST_P(DiskReuseTest, NothingIsLeftOfAForgottenTenant) {
  const testing::TempDir directory;
  const auto pages = directory.path() / "pages";
  const GenerateRequest asked = request(some_ids(1000, 7), "a");
  const GenerateRequest other = request(some_ids(500, 8), "b");
  {
    const auto one = engine(pages);
    run_one(*one, asked);
    run_one(*one, other);
    const auto running = value_or_throw(one->submit(request(some_ids(700, 9), "a"))).stream;
    one->step();
    one->forget("a");
    std::vector<Answer> answers(1);
    while (!running->done()) {
      one->step();
      collect(*running, answers);
    }
    EXPECT_EQ(run_one(*one, asked).stats.cached_tokens, 0);
    EXPECT_EQ(run_one(*one, other).stats.cached_tokens, 499);
    one->forget("a");
    one->step();
  }
  const auto two = engine(pages);
  while (!two->counters().disk.is_scanned) std::this_thread::yield();
  EXPECT_EQ(run_one(*two, request(some_ids(700, 9), "a")).stats.cached_tokens, 0);
  EXPECT_EQ(run_one(*two, asked).stats.cached_tokens, 0);
  EXPECT_EQ(run_one(*two, other).stats.cached_tokens, 499);
}

// Reading pages of one request holds nobody up: a few a step.
TEST_P(DiskReuseTest, OthersDecodeWhilePagesAreRead) {
  const testing::TempDir directory;
  const GenerateRequest asked = request(some_ids(1000, 8), "a");
  const Outcome first = run_one(*engine(directory.path() / "pages"), asked);
  const auto one = engine(directory.path() / "pages");
  while (!one->counters().disk.is_scanned) std::this_thread::yield();
  GenerateRequest other = request(some_ids(5, 9), "a");
  other.max_tokens = 40;
  other.draft = false;
  std::vector<Answer> others(1), answers(1);
  const auto running = value_or_throw(one->submit(other)).stream;
  one->step();
  collect(*running, others);
  const auto reading = value_or_throw(one->submit(asked)).stream;
  i64 read = 0, most = 0;
  while (!reading->done()) {
    const size_t tokens = others[0].ids.size();
    one->step();
    collect(*running, others);
    collect(*reading, answers);
    EXPECT_GE(others[0].ids.size(), std::min<size_t>(tokens + 1, 40));
    most = std::max(most, one->counters().disk.pages_read - read);
    read = one->counters().disk.pages_read;
  }
  EXPECT_EQ(read, 8);
  EXPECT_LE(most, 4);
  EXPECT_EQ(reading->stats().cached_tokens, 999) << "none of it was computed";
  EXPECT_EQ(answers, first.answers);
}

}  // namespace
}  // namespace fathom::engine
