// Prompts that begin alike and come together: what they share is computed once.
#include "engine/test_engine.h"
#include "testing/for_each_isa.h"

namespace fathom::engine {
namespace {

class SharedPrefillTest : public ::testing::Test {
 protected:
  static TestModel& model() {
    static TestModel model(tiny_v3(/*mtp=*/1), 0.06);
    return model;
  }
  static std::unique_ptr<Engine> engine() {
    return model().engine({.context_tokens = 1024, .cache_tokens = 32 * 1024});
  }
  static std::vector<i32> some_ids(i64 count, u64 seed) {
    std::vector<i32> ids;
    for (i64 i = 0; i < count; ++i) {
      ids.push_back(static_cast<i32>(Philox(seed, 19).at(static_cast<u64>(i))[0] % 276));
    }
    return ids;
  }
  /// `common` first tokens that all share, and some that are its own.
  static GenerateRequest request(i64 common, i64 own, u64 seed) {
    GenerateRequest request;
    request.prompt_ids = some_ids(common, 1);
    const std::vector<i32> tail = some_ids(own, 100 + seed);
    request.prompt_ids.insert(request.prompt_ids.end(), tail.begin(), tail.end());
    if (own > 0) request.prompt_ids[static_cast<size_t>(common)] = static_cast<i32>(seed);
    request.sampling.temperature = 0.8;
    request.sampling.seed = seed;
    request.max_tokens = 9;
    request.top_log_probs = 1;
    return request;
  }
  static std::vector<GenerateRequest> requests(i64 count, i64 common, i64 own) {
    std::vector<GenerateRequest> all;
    for (i64 i = 0; i < count; ++i) all.push_back(request(common, own, static_cast<u64>(i)));
    return all;
  }
  static void expect_as_alone(const std::vector<GenerateRequest>& asked,
                              const std::vector<Outcome>& got) {
    for (size_t i = 0; i < asked.size(); ++i) {
      EXPECT_EQ(got[i].answers, run_one(*engine(), asked[i]).answers) << "request " << i;
    }
  }
  testing::ScopedThreads one_thread_{1};
};

TEST_F(SharedPrefillTest, EqualPromptsThatComeTogetherAreComputedOnce) {
  for (const i64 tokens : {200, 512, 1000}) {
    const auto asked = requests(8, tokens, 0);
    const auto one = engine();
    const auto got = run_together(*one, asked);
    expect_as_alone(asked, got);
    EXPECT_EQ(one->counters().prompt_tokens, static_cast<u64>(tokens + 7)) << "of 8 prompts";
    for (size_t i = 1; i < got.size(); ++i) EXPECT_EQ(got[i].stats.cached_tokens, tokens - 1);
    EXPECT_EQ(one->num_free_pages() + one->num_cached_pages(), one->num_pages());
  }
}

TEST_F(SharedPrefillTest, OfPromptsThatBeginAlikeTheBeginningIsComputedOnce) {
  const auto asked = requests(8, 600, 40);
  const auto one = engine();
  const auto got = run_together(*one, asked);
  expect_as_alone(asked, got);
  EXPECT_EQ(one->counters().prompt_tokens, 600u + 8 * 40);
  EXPECT_EQ(one->counters().cache_queries, 8u);
}

// One that comes while another computes takes what is there, and waits for the rest.
TEST_F(SharedPrefillTest, ALatecomerTakesWhatIsThereAndWaitsForTheRest) {
  EngineOptions options{.context_tokens = 1024, .cache_tokens = 32 * 1024};
  options.limits.chunk_tokens = 128;
  const auto one = model().engine(options);
  const GenerateRequest first = request(900, 0, 1), second = request(900, 30, 2);
  std::vector<Answer> a(1), b(1);
  const auto early = value_or_throw(one->submit(first)).stream;
  for (int i = 0; i < 3; ++i) one->step();
  const auto late = value_or_throw(one->submit(second)).stream;
  while (one->step()) {
    collect(*early, a);
    collect(*late, b);
  }
  EXPECT_EQ(a, run_one(*engine(), first).answers);
  EXPECT_EQ(b, run_one(*engine(), second).answers);
  EXPECT_EQ(one->counters().prompt_tokens, 930u);
}

TEST_F(SharedPrefillTest, NamespacesShareNothing) {
  auto asked = requests(4, 600, 0);
  asked[1].tenant = "b";
  asked[2].cache_salt = "s";
  asked[3].cache_use = CacheUse::kNone;
  const auto one = engine();
  expect_as_alone(asked, run_together(*one, asked));
  EXPECT_EQ(one->counters().prompt_tokens, 4u * 600);
  EXPECT_EQ(one->counters().cache_queries, 3u) << "who asks for no cache is no query";
}

// Nor does anybody wait for a stranger's prompt, by which one could tell what it is.
TEST_F(SharedPrefillTest, NobodyWaitsForAPromptOfAnotherNamespace) {
  auto asked = requests(3, 300, 0);
  asked[1].tenant = "b";
  asked[2].cache_salt = "s";
  EngineOptions options{.context_tokens = 1024, .cache_tokens = 8 * 1024};
  options.limits.chunk_tokens = 1000;
  const auto one = model().engine(options);
  std::vector<std::shared_ptr<Stream>> streams;
  for (const auto& each : asked) streams.push_back(value_or_throw(one->submit(each)).stream);
  while (one->counters().prompt_tokens == 0) ASSERT_TRUE(one->step());
  EXPECT_EQ(one->counters().prompt_tokens, 900u) << "all in the first chunk";
}

// What is shared is there before the prompt that computes it is over.
TEST_F(SharedPrefillTest, AShorterPromptGoesOnOnceTheBeginningIsComputed) {
  EngineOptions options{.context_tokens = 1024, .cache_tokens = 8 * 1024};
  options.limits.chunk_tokens = 640;
  const auto one = model().engine(options);
  const auto longer = value_or_throw(one->submit(request(300, 600, 1))).stream;
  const auto shorter = value_or_throw(one->submit(request(300, 20, 2))).stream;
  std::vector<Answer> a(1), b(1);
  while (a[0].ids.empty()) {
    ASSERT_TRUE(one->step());
    collect(*longer, a);
    collect(*shorter, b);
  }
  EXPECT_FALSE(b[0].ids.empty());
  EXPECT_EQ(one->counters().prompt_tokens, 900u + 20);
}

// Who wants the log-probabilities of the prompt has to compute it.
TEST_F(SharedPrefillTest, APromptWhoseLogProbsAreWantedIsComputed) {
  auto asked = requests(2, 600, 0);
  asked[1].prompt_log_probs_from = 1;
  const auto one = engine();
  expect_as_alone(asked, run_together(*one, asked));
  EXPECT_EQ(one->counters().prompt_tokens, 2u * 600);
}

TEST_F(SharedPrefillTest, WhenTheFirstOneLeavesAnotherGoesOnWhereItWas) {
  for (const int steps : {0, 1, 2, 3}) {
    EngineOptions options{.context_tokens = 1024, .cache_tokens = 32 * 1024};
    options.limits.chunk_tokens = 256;
    const auto one = model().engine(options);
    const auto asked = requests(3, 900, 0);
    std::vector<std::shared_ptr<Stream>> streams;
    for (const auto& each : asked) streams.push_back(value_or_throw(one->submit(each)).stream);
    for (int i = 0; i < steps; ++i) one->step();
    streams[0]->cancel();
    std::vector<Answer> b(1), c(1);
    while (one->step()) {
      collect(*streams[1], b);
      collect(*streams[2], c);
    }
    EXPECT_EQ(b, run_one(*engine(), asked[1]).answers);
    EXPECT_EQ(c, run_one(*engine(), asked[2]).answers);
    EXPECT_LE(one->counters().prompt_tokens, 902u) << "after " << steps << " steps";
    EXPECT_EQ(one->num_free_pages() + one->num_cached_pages(), one->num_pages());
  }
}

// A reader that takes nothing holds up itself alone.
TEST_F(SharedPrefillTest, NobodyWaitsForOneWhoseReaderIsBlocked) {
  EngineOptions options{.context_tokens = 1024, .cache_tokens = 32 * 1024};
  options.max_unread_bytes = 1000;
  options.limits.chunk_tokens = 128;
  const auto one = model().engine(options);
  GenerateRequest slow = request(900, 0, 1);
  slow.prompt_log_probs_from = 1;  // its results come before its prompt is computed
  const auto blocked = value_or_throw(one->submit(slow)).stream;
  const GenerateRequest asked = request(900, 10, 2);
  const auto stream = value_or_throw(one->submit(asked)).stream;
  std::vector<Answer> got(1);
  for (int i = 0; i < 200 && !stream->done(); ++i) {
    one->step();
    collect(*stream, got);
  }
  EXPECT_EQ(got, run_one(*engine(), asked).answers);
  EXPECT_FALSE(blocked->done());
  blocked->cancel();
  one->step();
}

// A prompt that waits for pages in the queue is looked up once, not in every step.
TEST_F(SharedPrefillTest, ARequestThatWaitsForPagesIsOneQuery) {
  const auto one = model().engine({.context_tokens = 1024, .cache_tokens = 1024});
  GenerateRequest first = request(500, 0, 1), second = request(0, 600, 2);
  first.max_tokens = 300;
  std::vector<Answer> a(1), b(1);
  const auto running = value_or_throw(one->submit(first)).stream;
  for (int i = 0; i < 3; ++i) one->step();
  const auto waiting = value_or_throw(one->submit(second)).stream;
  while (one->step()) {
    collect(*running, a);
    collect(*waiting, b);
  }
  EXPECT_EQ(b, run_one(*engine(), second).answers);
  EXPECT_EQ(one->counters().cache_queries, 2u);
}

}  // namespace
}  // namespace fathom::engine
