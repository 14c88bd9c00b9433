// Prompts computed by one rank's engine and decoded by another's.
#include "engine/ranks/prompt_handover.h"

#include <gmock/gmock.h>

#include <array>

#include "base/rng.h"
#include "engine/test_predictable.h"

namespace fathom::engine {
namespace {

EngineOptions options_with(i64 drafts, i64 cache_tokens = 1024) {
  return {.context_tokens = 512,
          .cache_tokens = cache_tokens,
          .cost_measurement_s = 0.0,
          .draft_tokens = drafts};
}

GenerateRequest prompt_of_tokens(i64 tokens, i64 max_tokens = 8) {
  GenerateRequest request;
  for (i64 t = 0; t < tokens; ++t) {
    request.prompt_ids.push_back(static_cast<i32>(30 + (t * 7 + tokens) % 90));
  }
  request.max_tokens = max_tokens;
  request.top_log_probs = 0;
  return request;
}

/// Two real engines, driven step by step by one thread.
struct Pair {
  explicit Pair(i64 drafts = 0, PromptHandoverOptions options = {})
      : Pair(options, options_with(drafts), options_with(drafts)) {}
  Pair(PromptHandoverOptions options, const EngineOptions& prefill, const EngineOptions& decode)
      : options_(std::move(options)) {
    TestModel& model = predictable_v3();
    for (const EngineOptions& each : {prefill, decode}) {
      ctx.push_back(backend::make_context());
      engines[ctx.size() - 1] =
          make_handover_engine(ctx.back(), *model.model, &model.codec->tokenizer, each);
    }
    options_.now_s = [this] { return clock_s; };
    handover.emplace(2, 1, options_, [] {});
    for (i64 r = 0; r < 2; ++r) handover->set_engine(r, *engines[static_cast<size_t>(r)]);
  }

  std::shared_ptr<Stream> submit(const GenerateRequest& request) {
    return value_or_throw(handover->submit(request, 0, 1)).stream;
  }
  /// One step of a rank, as its thread makes it.
  bool step(i64 rank) {
    const bool looks = handover->look_around(rank);
    const bool works = engines[static_cast<size_t>(rank)]->step();
    clock_s += 0.001;
    return looks || works;
  }
  /// Until both have nothing to do; false: it never ends.
  bool run() {
    for (int i = 0; i < 20000; ++i) {
      const bool first = step(0);
      if (!(step(1) || first) && idle()) return true;
    }
    return false;
  }
  bool idle() const {
    const HandoverCounters now = handover->counters();
    return now.prompts + now.rows + now.places == 0;
  }
  /// Every page is free or cached, none is held.
  void expect_no_leak() const {
    for (const auto& engine : engines) {
      EXPECT_EQ(engine->num_running() + engine->num_waiting(), 0);
      EXPECT_EQ(engine->num_free_pages() + engine->num_cached_pages(), engine->num_pages());
    }
  }

  PromptHandoverOptions options_;
  double clock_s = 0.0;
  std::deque<Ctx> ctx;
  std::array<std::unique_ptr<HandoverEngine>, 2> engines;
  std::optional<PromptHandover> handover;
};

std::vector<Answer> answers_of(Stream& stream, i64 choices = 1) {
  std::vector<Answer> answers(static_cast<size_t>(choices));
  collect(stream, answers);
  EXPECT_TRUE(stream.done());
  return answers;
}

TEST(PromptHandoverTest, AnswersAndNumbersAreOneEnginesToTheBit) {
  for (const i64 drafts : {0, 3}) {
    Pair pair(drafts);
    const auto alone = predictable_v3().engine(options_with(drafts));
    for (const i64 tokens : {1, 2, 127, 128, 129, 300}) {
      GenerateRequest request = prompt_of_tokens(tokens);
      request.num_choices = tokens % 2 + 1;
      request.sampling.temperature = tokens % 3 == 0 ? 0.8 : 0.0;
      for (int round = 0; round < 2; ++round) {  // the second one finds the first one's rows
        const Outcome want = run_one(*alone, request);
        const auto stream = pair.submit(request);
        ASSERT_TRUE(pair.run());
        EXPECT_EQ(answers_of(*stream, request.num_choices), want.answers) << tokens << " tokens";
        const RequestStats got = stream->stats();
        EXPECT_EQ(got.cached_tokens, want.stats.cached_tokens) << tokens << ", round " << round;
        EXPECT_EQ(got.prompt_tokens, tokens);
        EXPECT_EQ(got.prefilled_tokens, tokens);
        EXPECT_EQ(got.generated_tokens, want.stats.generated_tokens);
        EXPECT_GE(got.first_token_s, got.queue_s);
      }
    }
    const HandoverCounters counters = pair.handover->counters();
    EXPECT_EQ(counters.done, 10u) << "all but the prompts of one token";
    EXPECT_EQ(counters.pages, 2u * (1 + 1 + 1 + 1 + 3));
    EXPECT_EQ(counters.refused + counters.aborted + counters.lost, 0u);
    EXPECT_LE(pair.engines[1]->counters().prompt_tokens, 12u) << "the last token of each alone";
    EXPECT_EQ(pair.engines[0]->counters().generated_tokens, 0u);
    pair.expect_no_leak();
  }
}

// At every step of its way, which passes through every state of both sides.
TEST(PromptHandoverTest, AClientThatGoesAtAnyStepLeavesNoPageBehind) {
  PromptHandoverOptions slow;
  slow.pages_a_look = 1;
  Pair pair(/*drafts=*/3, slow);
  std::vector<HandoverCounters> seen;
  bool ran_through = false;
  i64 interrupted = 0;
  for (int at = 0; !ran_through && at < 400; ++at) {
    GenerateRequest request = prompt_of_tokens(260);
    request.cache_salt = std::to_string(at);  // its own rows
    const auto stream = pair.submit(request);
    for (int i = 0; i < at && !stream->done(); ++i) {
      pair.step(i % 2);
      seen.push_back(pair.handover->counters());
    }
    std::vector<Answer> answers(1);
    collect(*stream, answers);
    ran_through = stream->done();
    stream->cancel();
    ASSERT_TRUE(pair.run()) << "cancelled at step " << at;
    collect(*stream, answers);
    ASSERT_TRUE(answers[0].reason) << "cancelled at step " << at;
    interrupted += *answers[0].reason == FinishReason::kInterrupted ? 1 : 0;
    pair.expect_no_leak();
  }
  EXPECT_TRUE(ran_through);
  EXPECT_GT(interrupted, 8);
  const auto any = [&](auto member) {
    return std::ranges::any_of(seen, [&](const HandoverCounters& c) { return c.*member > 0; });
  };
  EXPECT_TRUE(any(&HandoverCounters::prompts) && any(&HandoverCounters::rows));
  EXPECT_GT(pair.handover->counters().aborted, 1u);
}

// The decode rank stands still at any step: deadlines end what waits for it, and it computes the
// prompt itself when it is back. What it hears late harms nobody.
TEST(PromptHandoverTest, ARankThatFallsSilentCostsTimeAlone) {
  PromptHandoverOptions slow;
  slow.pages_a_look = 1;
  for (const i64 silent : {0, 1}) {
    Pair pair(0, slow);
    for (int at = 0; at < 24; ++at) {
      GenerateRequest request = prompt_of_tokens(260);
      request.cache_salt = std::to_string(at);
      const auto want = run_one(*predictable_v3().engine(options_with(0)), request).answers;
      const auto stream = pair.submit(request);
      for (int i = 0; i < at; ++i) pair.step(i % 2);
      for (int i = 0; i < 12; ++i) {  // far beyond every deadline of the hand-over
        pair.clock_s += 7;
        pair.step(1 - silent);
      }
      ASSERT_TRUE(pair.run()) << "rank " << silent << " at step " << at;
      EXPECT_EQ(answers_of(*stream), want) << "rank " << silent << " at step " << at;
      pair.expect_no_leak();
    }
    EXPECT_GT(pair.handover->counters().lost + pair.handover->counters().aborted, 0u);
  }
}

TEST(PromptHandoverTest, WithoutPagesTheDecodeRankComputesThePrompt) {
  Pair pair({}, options_with(0), options_with(0, /*cache_tokens=*/512));  // five pages
  const auto alone = predictable_v3().engine(options_with(0));
  const GenerateRequest holds = prompt_of_tokens(300, 150), next = prompt_of_tokens(400, 4);
  const auto want = run_one(*alone, next).answers;
  const auto first = pair.submit(holds);
  while (pair.engines[1]->num_running() == 0) pair.step(0), pair.step(1);
  const auto second = pair.submit(next);
  ASSERT_TRUE(pair.run());
  EXPECT_EQ(answers_of(*second), want);
  EXPECT_EQ(answers_of(*first)[0].reason, FinishReason::kLength);
  EXPECT_EQ(pair.handover->counters().refused, 1u);
  pair.expect_no_leak();
}

TEST(PromptHandoverTest, AFullDecodeRankIsWaitedForUntilADeadline) {
  for (const double place_s : {1e9, 0.02}) {
    PromptHandoverOptions options;
    options.place_s = place_s;
    EngineOptions full = options_with(0);
    full.limits.max_running = 1;
    full.limits.max_waiting = 1;
    Pair pair(options, options_with(0), full);
    std::vector<std::shared_ptr<Stream>> streams;
    for (i64 i = 0; i < 6; ++i) streams.push_back(pair.submit(prompt_of_tokens(20 + i, 60)));
    ASSERT_TRUE(pair.run());
    i64 answered = 0;
    for (const auto& stream : streams) {
      const auto reason = *answers_of(*stream)[0].reason;
      answered += reason == FinishReason::kLength ? 1 : 0;
      if (reason == FinishReason::kError) {
        EXPECT_THAT(stream->error(), ::testing::HasSubstr("no place in its queue"));
      }
    }
    EXPECT_EQ(answered == 6, place_s > 1) << answered;
    EXPECT_GE(answered, 2);
    pair.expect_no_leak();
  }
}

TEST(PromptHandoverTest, WhatCannotBeHandedOverIsAnsweredWhole) {
  Pair pair;
  const auto alone = predictable_v3().engine(options_with(0));
  GenerateRequest scored = prompt_of_tokens(40);
  scored.prompt_log_probs_from = 1;
  GenerateRequest alone_only = prompt_of_tokens(40);
  alone_only.cache_use = CacheUse::kNone;
  for (const GenerateRequest& request : {scored, alone_only}) {
    const auto want = run_one(*alone, request).answers;
    const auto stream = pair.submit(request);
    ASSERT_TRUE(pair.run());
    EXPECT_EQ(answers_of(*stream), want);
  }
  EXPECT_EQ(pair.handover->counters().done, 0u);
  EXPECT_EQ(pair.engines[1]->counters().generated_tokens, 0u);
}

TEST(PromptHandoverTest, AForgottenTenantLeavesNothingInEitherCache) {
  Pair pair;
  GenerateRequest request = prompt_of_tokens(200);
  request.tenant = "gone";
  const auto stream = pair.submit(request);
  while (pair.handover->counters().rows == 0) pair.step(0);
  pair.handover->forget("gone");
  for (const auto& engine : pair.engines) engine->forget("gone");
  ASSERT_TRUE(pair.run());
  EXPECT_EQ(answers_of(*stream)[0].reason, FinishReason::kLength);
  for (const auto& engine : pair.engines) EXPECT_EQ(engine->num_cached_pages(), 0);
}

TEST(PromptHandoverTest, WrongRequestsAreRefusedAtOnce) {
  Pair pair;
  GenerateRequest wrong = prompt_of_tokens(4);
  wrong.num_choices = 1 << 20;
  const auto refused = pair.handover->submit(wrong, 0, 1);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), ::testing::HasSubstr("num_choices"));
  EXPECT_FALSE(pair.handover->submit({}, 0, 1));
}

TEST(PromptHandoverTest, AnErrorEndsWhatARankHasToBringForward) {
  Pair pair;
  const auto stream = pair.submit(prompt_of_tokens(200));
  while (pair.handover->counters().rows == 0) pair.step(0);
  pair.handover->fail_rank(1, "not its turn");
  EXPECT_FALSE(stream->done());
  pair.handover->fail_rank(0, "a planted end");
  EXPECT_EQ(answers_of(*stream)[0].reason, FinishReason::kError);
  EXPECT_EQ(stream->error(), "a planted end");
  ASSERT_TRUE(pair.run());
  pair.expect_no_leak();
}

}  // namespace
}  // namespace fathom::engine
