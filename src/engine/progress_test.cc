// What a client is told while its prompt is read, and what it has to pay for if it goes away.
#include "engine/test_predictable.h"

namespace fathom::engine {
namespace {

constexpr i64 kChunk = 48, kPrompt = 200;

class ProgressTest : public ::testing::Test {
 protected:
  static EngineOptions options() {
    EngineOptions options{.context_tokens = 640, .cache_tokens = 4096, .draft_tokens = 3};
    // Prompts in many steps, and chunks that stop between two layers.
    options.limits.chunk_tokens = options.limits.min_chunk_tokens = kChunk;
    options.limits.target_s = 1e-9;
    options.limits.target_decodes = 1.0001;
    return options;
  }
  static GenerateRequest request(std::string_view text = "a long prompt ") {
    GenerateRequest request;
    request.prompt_ids = repeated_prompt(text, kPrompt);
    request.max_tokens = 8;
    return request;
  }
  /// Somebody who decodes, so that a prompt's layers come one a step.
  void occupy() {
    GenerateRequest other = request("somebody else ");
    other.max_tokens = 400;
    other_ = value_or_throw(engine_->submit(other)).stream;
    while (other_->stats().generated_tokens == 0) engine_->step();
  }
  std::shared_ptr<Stream> submit() { return value_or_throw(engine_->submit(request())).stream; }

  std::unique_ptr<Engine> engine_ = predictable_v3().engine(options());
  std::shared_ptr<Stream> other_;
};

TEST_F(ProgressTest, EachChunkIsToldAndWakesTheClientBeforeTheFirstToken) {
  occupy();
  const auto stream = submit();
  int calls = 0;
  stream->listen([&] { ++calls; });
  EXPECT_EQ(stream->stats().prompt_tokens, 0) << "it has not been looked at";
  std::vector<i64> told;
  RequestStats last;
  Events news;
  while (!stream->try_read(news)) {
    const int before = calls;
    engine_->step();
    const RequestStats now = stream->stats();
    EXPECT_GE(now.begun_tokens, now.prefilled_tokens);
    EXPECT_LE(now.begun_tokens, now.prefilled_tokens + kChunk);
    if (now.prefilled_s == last.prefilled_s) continue;
    EXPECT_GT(calls, before);
    EXPECT_GT(now.queue_s, 0);
    EXPECT_GE(now.prefilled_s, now.queue_s);
    told.push_back(now.prefilled_tokens);
    last = now;
  }
  // A step may start it and complete a chunk.
  if (told.front() == 0) told.erase(told.begin());
  EXPECT_EQ(told, (std::vector<i64>{48, 96, 144, 192, 200}));
  EXPECT_EQ(stream->stats().prefilled_tokens, kPrompt);
}

TEST_F(ProgressTest, CachedTokensAreThereFromTheStart) {
  run_alone(*engine_, request());
  const auto stream = submit();
  engine_->step();
  EXPECT_EQ(stream->stats().cached_tokens, kPrompt - 1);
  EXPECT_GE(stream->stats().prefilled_tokens, kPrompt - 1);
}

TEST_F(ProgressTest, WhoGoesAwayHasBegunWhatTheEngineWorkedOn) {
  occupy();
  const auto waits = submit();
  waits->cancel();
  engine_->step();
  EXPECT_TRUE(waits->stats().begun_tokens == 0 && waits->stats().queue_s == 0) << "in the queue";

  const auto reads = submit();
  const auto is_in_a_chunk = [&] {
    const RequestStats now = reads->stats();
    return now.prefilled_tokens > 0 && now.begun_tokens > now.prefilled_tokens;
  };
  while (!is_in_a_chunk()) {
    engine_->step();
    ASSERT_EQ(reads->stats().generated_tokens, 0) << "no step ended between two layers";
  }
  const i64 before = reads->stats().prefilled_tokens;
  reads->cancel();
  engine_->step();
  EXPECT_EQ(reads->stats().prefilled_tokens, before);
  EXPECT_EQ(reads->stats().begun_tokens, std::min(before + kChunk, kPrompt));
}

TEST_F(ProgressTest, TimesAndDraftsGoOnWithTheTokens) {
  const auto stream = submit();
  RequestStats last;
  while (!stream->done()) {
    engine_->step();
    const RequestStats now = stream->stats();
    if (now.generated_tokens > last.generated_tokens) {
      EXPECT_GT(now.total_s, last.total_s);
    }
    EXPECT_GE(now.draft_tokens, last.draft_tokens);
    last = now;
    Events news;
    stream->try_read(news);
  }
  EXPECT_EQ(last.generated_tokens, 8);
  EXPECT_GE(last.total_s, last.first_token_s);
}

}  // namespace
}  // namespace fathom::engine
