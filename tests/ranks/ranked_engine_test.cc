// An engine over several ranks answers as one of one rank does.
#include "engine/ranks/ranked_engine.h"

#include <gmock/gmock.h>

#include <chrono>
#include <future>
#include <thread>

#include "engine/handover/handover_counters.h"
#include "engine/ranks/rank_totals.h"
#include "engine/test_predictable.h"
#include "serve/generate/prepare.h"
#include "testing/temp_dir.h"

namespace fathom::engine {
namespace {

RankOptions on(int ranks) {
  return {.ranks = ranks, .deadline_s = 60, .make_context = [] { return backend::make_context(); }};
}

std::unique_ptr<Engine> ranked(TestModel& model, const EngineOptions& options,
                               const RankOptions& ranks) {
  return make_ranked_engine(*model.model, &model.codec->tokenizer, options, ranks);
}

EngineOptions small_options(i64 drafts = 0) {
  return {.context_tokens = 256,
          .cache_tokens = 4096,
          .cost_measurement_s = 0.0,
          .draft_tokens = drafts};
}

/// Prompts of other lengths, some sampled, some with several choices.
std::vector<GenerateRequest> some_requests(size_t count, i64 max_tokens = 12) {
  std::vector<GenerateRequest> requests(count);
  for (size_t i = 0; i < count; ++i) {
    GenerateRequest& request = requests[i];
    for (size_t t = 0; t < 1 + i * 13 % 70; ++t) {
      request.prompt_ids.push_back(static_cast<i32>(30 + (t * 7 + i * 3) % 90));
    }
    request.max_tokens = max_tokens + static_cast<i64>(i % 5);
    request.sampling.temperature = i % 2 == 0 ? 0.0 : 0.8;
    request.sampling.seed = i;
    request.num_choices = i % 3 == 2 ? 2 : 1;
    request.top_log_probs = 0;
    request.cache_use = CacheUse::kNone;
  }
  return requests;
}

void expect_same_answers(const std::vector<Outcome>& got, const std::vector<Outcome>& want) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i)
    EXPECT_EQ(got[i].answers, want[i].answers) << "request " << i;
}

// More requests than ranks, fewer, and one: ranks without tokens.
TEST(RankedEngineTest, AnswersAreOneRanksToTheBit) {
  TestModel& model = predictable_v3();
  for (const i64 drafts : {0, 3}) {
    const auto requests = some_requests(9);
    const auto one_rank = model.engine(small_options(drafts));
    const auto want = run_together(*one_rank, requests);
    const EngineCounters counted = one_rank->counters();
    for (const int ranks : {2, 3}) {
      const auto engine = ranked(model, small_options(drafts), on(ranks));
      expect_same_answers(run_together(*engine, requests), want);
      EXPECT_EQ(engine->counters().prompt_tokens, counted.prompt_tokens);
      EXPECT_EQ(engine->counters().generated_tokens, counted.generated_tokens);
      EXPECT_EQ(run_one(*engine, requests[5]).answers, want[5].answers) << "alone on " << ranks;
      const EngineCounters counters = engine->counters();
      EXPECT_EQ(counters.experts.ranks, ranks);
      EXPECT_EQ(counters.drafts.draft_tokens > 0, drafts > 0);
    }
  }
}

/// Both sides of a hand-over are through with its pages a step after its request.
void expect_no_page_held(Engine& engine) {
  const auto all_back = [&] {
    return engine.num_free_pages() + engine.num_cached_pages() == engine.num_pages();
  };
  for (int i = 0; i < 500 && !all_back(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  EXPECT_TRUE(all_back());
}

TEST(RankedEngineTest, PrefillAndDecodeApartAnswerAsOneRank) {
  TestModel& model = predictable_v3();
  for (const i64 drafts : {0, 3}) {
    auto requests = some_requests(9);
    for (GenerateRequest& request : requests) request.cache_use = CacheUse::kExact;
    requests[4].prompt_log_probs_from = 1;  // is answered whole
    requests[5].cache_use = CacheUse::kNone;
    EngineOptions options = small_options(drafts);
    options.cache_tokens = 16384;  // a decode rank without pages would compute prompts itself
    const auto want = run_together(*model.engine(options), requests);
    for (const auto& [prefill, all] : {std::pair(1, 2), std::pair(2, 3), std::pair(1, 4)}) {
      RankOptions ranks = on(all);
      ranks.prefill_ranks = prefill;
      const auto engine = ranked(model, options, ranks);
      expect_same_answers(run_together(*engine, requests), want);
      const auto& apart = dynamic_cast<const HandsOver&>(*engine);
      EXPECT_GE(apart.handover_counters().done, 5u) << "but one-token, scored and secret prompts";
      EXPECT_EQ(apart.handover_counters().lost, 0u);
      expect_no_page_held(*engine);
    }
  }
}

// Clients that come and go while ranks step by themselves.
TEST(RankedEngineTest, PrefillAndDecodeApartLeakNoPageUnderCancels) {
  RankOptions ranks = on(3);
  ranks.prefill_ranks = 1;
  const auto engine = ranked(predictable_v3(), small_options(3), ranks);
  for (int round = 0; round < 6; ++round) {
    auto requests = some_requests(8, 20);
    std::vector<std::shared_ptr<Stream>> streams;
    for (size_t i = 0; i < requests.size(); ++i) {
      requests[i].cache_use = CacheUse::kExact;
      requests[i].cache_salt = std::to_string(round);
      streams.push_back(value_or_throw(engine->submit(requests[i])).stream);
      if (i % 2 == 0) std::this_thread::sleep_for(std::chrono::microseconds(300 * round * (i + 1)));
      if (i % 2 == 0) streams.back()->cancel();
    }
    while (engine->step()) {
    }
    for (const auto& stream : streams) {
      std::vector<Answer> answers(2);
      collect(*stream, answers);
      EXPECT_TRUE(stream->done());
    }
    expect_no_page_held(*engine);
  }
}

TEST(RankedEngineTest, ADenseModelIsDataParallelAlone) {
  TestModel model(tiny_llama(), 0.1);
  const auto requests = some_requests(5);
  const auto engine = ranked(model, small_options(), on(2));
  expect_same_answers(run_together(*engine, requests),
                      run_together(*model.engine(small_options()), requests));
}

TEST(RankedEngineTest, NarrowWiresAnswerToo) {
  TestModel& model = predictable_v3();
  const auto requests = some_requests(4);
  for (const auto wire : {model::ExpertWire::kBf16, model::ExpertWire::kFp8}) {
    RankOptions ranks = on(2);
    ranks.wire = wire;
    for (const Outcome& outcome : run_together(*ranked(model, small_options(), ranks), requests)) {
      for (const Answer& answer : outcome.answers) EXPECT_EQ(answer.reason, FinishReason::kLength);
    }
  }
}

/// Some experts are chosen far more often than others: the router's bias says so.
TestModel& skewed_v3() {
  static TestModel model([](Ctx& ctx, const std::string& path) {
    write_edited_checkpoint(ctx, tiny_v3(/*mtp=*/0), path,
                            [](const std::string& name, std::span<float> values) {
                              if (!name.ends_with("e_score_correction_bias")) return;
                              for (size_t e = 0; e < values.size(); ++e) {
                                values[e] = e % 5 == 1 ? 0.4f : 0.02f * static_cast<float>(e % 3);
                              }
                            });
  });
  return model;
}

// The EPLB gain on a skewed load: measured before and after, and as it was predicted.
TEST(RankedEngineTest, ExpertsChangePlacesByTheirLoadsAndNoTokenChanges) {
  TestModel& model = skewed_v3();
  const auto requests = some_requests(8, /*max_tokens=*/40);
  const auto want = run_together(*model.engine(small_options()), requests);
  RankOptions ranks = on(4);
  ranks.redundant_experts = 4;
  const double before = [&] {
    const auto engine = ranked(model, small_options(), ranks);
    run_together(*engine, requests);
    return engine->counters().experts.imbalance;
  }();
  ranks.balancer.every_steps = 25;
  const auto engine = ranked(model, small_options(), ranks);
  for (int i = 0; i < 4; ++i) expect_same_answers(run_together(*engine, requests), want);
  const ExpertCounters after = engine->counters().experts;
  EXPECT_GT(after.placements, 0u);
  EXPECT_GT(after.moved_slots, 0u);
  EXPECT_GT(after.moved_bytes, 0u);
  EXPECT_GT(before, 1.1) << "a skewed load";
  EXPECT_LT(after.imbalance, 1.0 + (before - 1.0) * 0.6);
  EXPECT_NEAR(after.imbalance, after.predicted, 0.05 * after.predicted);
  RecordProperty("before", std::to_string(before));
  RecordProperty("after", std::to_string(after.imbalance));
  RecordProperty("predicted", std::to_string(after.predicted));
}

// Dynamic redundancy.
TEST(RankedEngineTest, TokensDealtToReplicasChangeNoToken) {
  TestModel& model = skewed_v3();
  const auto requests = some_requests(8);
  const auto want = run_together(*model.engine(small_options()), requests);
  RankOptions ranks = on(4);
  ranks.redundant_experts = model.model->config().n_routed_experts;
  for (const i64 max_active : {0, 3}) {
    ranks.deal = least_largest_load(max_active);
    const auto engine = ranked(model, small_options(), ranks);
    expect_same_answers(run_together(*engine, requests), want);
  }
}

// The others go on with theirs, and so does the rank.
TEST(RankedEngineTest, AFaultInOneRanksStepEndsThatRanksRequestsAlone) {
  TestModel& model = predictable_v3();
  const auto engine = ranked(model, small_options(), on(2));
  auto requests = some_requests(2, 30);
  GenerateRequest faulty = requests[0];
  faulty.prompt_log_probs_from = 0;
  faulty.on_prompt_logits = [](const float*, i64) { throw std::runtime_error("a planted fault"); };
  const auto bad = value_or_throw(engine->submit(faulty)).stream;
  const auto good = value_or_throw(engine->submit(requests[1])).stream;
  std::vector<Answer> bad_answers(1), good_answers(1);
  while (!bad->done() || !good->done()) {
    engine->step();
    collect(*bad, bad_answers);
    collect(*good, good_answers);
  }
  EXPECT_EQ(bad_answers[0].reason, FinishReason::kError);
  EXPECT_THAT(bad->error(), ::testing::HasSubstr("a planted fault"));
  EXPECT_EQ(good_answers, run_one(*model.engine(small_options()), requests[1]).answers);
  EXPECT_EQ(run_one(*engine, requests[0]).answers,
            run_one(*model.engine(small_options()), requests[0]).answers);
}

// A rank that hangs: serving ends while it does, who waits hears of it, and so does who comes
// after.
TEST(RankedEngineTest, ARankThatDoesNotComeIsNamedToEverybody) {
  TestModel& model = predictable_v3();
  RankOptions ranks = on(3);
  ranks.deadline_s = 0.6;
  ranks.hang_directory.clear();
  const auto engine = ranked(model, small_options(), ranks);
  std::promise<void> hang;  // its end, at the latest with this scope
  GenerateRequest hangs = some_requests(1)[0];
  hangs.prompt_log_probs_from = 0;
  hangs.on_prompt_logits = [until = hang.get_future().share()](const float*, i64) { until.wait(); };
  const auto hung = value_or_throw(engine->submit(hangs)).stream;
  const auto other = value_or_throw(engine->submit(some_requests(2, 200)[1])).stream;
  const auto expect_ended = [&](Stream& stream) {
    std::vector<Answer> answers(1);
    while (!stream.done()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      collect(stream, answers);
    }
    EXPECT_EQ(answers[0].reason, FinishReason::kError);
    EXPECT_EQ(stream.error(), "serving has ended: rank 0 did not come");
  };
  expect_ended(*other);
  EXPECT_EQ(engine->num_running(), 1) << "the one that hangs, which holds no lock meanwhile";
  EXPECT_GT(engine->counters().generated_tokens, 0u);
  const auto later = engine->submit(some_requests(1)[0]);
  ASSERT_FALSE(later);
  EXPECT_EQ(later.error().message(), "serving has ended: rank 0 did not come");
  EXPECT_EQ(serve::of_engine(later.error()).status, 503) << "no fault of the client";
  EXPECT_FALSE(hung->done());
  hang.set_value();
  expect_ended(*hung);
  // A watchdog sees that it has ended, with nothing left to do.
  const double stalled_s = engine->stalled_s();
  EXPECT_GT(stalled_s, 0.0);
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_GT(engine->stalled_s(), stalled_s);
}

TEST(RankedEngineTest, AWrongRequestIsTheClientsFault) {
  const auto engine = ranked(predictable_v3(), small_options(), on(2));
  const auto wrong = engine->submit({});
  ASSERT_FALSE(wrong);
  EXPECT_EQ(serve::of_engine(wrong.error()).status, 400);
}

// Its text is cached where the queue is full; another rank has room.
TEST(RankedEngineTest, AFullRankRefusesNobodyWhomAnotherHasRoomFor) {
  EngineOptions options = small_options();
  options.limits.max_running = 2;
  options.limits.max_waiting = 2;
  const auto engine = ranked(predictable_v3(), options, on(2));
  GenerateRequest request = some_requests(6, 150)[5];
  request.num_choices = 1;
  ASSERT_GE(request.prompt_ids.size(), 32u) << "a step of the router's";
  std::vector<std::shared_ptr<Stream>> streams;
  for (int i = 0; i < 3; ++i) {
    streams.push_back(value_or_throw(engine->submit(request)).stream);
    ASSERT_NE(streams.back(), nullptr) << "request " << i;
    while (engine->num_running() == 0) engine->step();
  }
  while (engine->step()) {
  }
  for (const auto& stream : streams) {
    std::vector<Answer> answers(1);
    collect(*stream, answers);
    EXPECT_EQ(answers[0].reason, FinishReason::kLength);
  }
}

TEST(RankedEngineTest, LimitsAreDividedAmongRanks) {
  EngineOptions all = small_options();
  all.context_tokens = 100;
  const auto waiting_tokens = [&](i64 tokens) {
    all.limits.max_waiting_prompt_tokens = tokens;
    return options_of_rank(all, 1, 4).limits.max_waiting_prompt_tokens;
  };
  EXPECT_EQ(waiting_tokens(1001), 251);
  EXPECT_EQ(waiting_tokens(300), 100) << "a whole prompt fits";
  EXPECT_EQ(waiting_tokens(50), 50) << "not more than on one rank";
}

TEST(RankedEngineTest, WhatNoRankCanDoIsSaidWhenItIsMade) {
  TestModel& model = predictable_v3();
  EngineOptions options = small_options();
  options.context_tokens = 1 << 20;
  try {
    ranked(model, options, on(3));
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.message(), ::testing::HasSubstr("max_position_embeddings"));
  }
}

TEST(RankedEngineTest, EndsWithRequestsRunning) {
  TestModel& model = predictable_v3();
  std::shared_ptr<Stream> stream;
  {
    const auto engine = ranked(model, small_options(), on(3));
    stream = value_or_throw(engine->submit(some_requests(1, 200)[0])).stream;
    engine->step();
  }
  std::vector<Answer> answers(1);
  collect(*stream, answers);
  EXPECT_EQ(answers[0].reason, FinishReason::kInterrupted);
}

// Turns of four conversations at once, in another order each time: counting requests would not
// bring them back.
TEST(RankedEngineTest, AConversationGoesOnWhereItsRowsAre) {
  TestModel& model = predictable_v3();
  const auto conversations = [&](Engine& engine) {
    i64 cached = 0;
    for (int turn = 1; turn <= 3; ++turn) {
      std::vector<GenerateRequest> requests(4);
      for (int c = 0; c < 4; ++c) {
        const int conversation = (c * 3 + turn) % 4;
        GenerateRequest& request = requests[static_cast<size_t>(c)];
        for (int i = 0; i < 60 * turn; ++i) {
          request.prompt_ids.push_back(30 + (i * (5 + conversation) + conversation) % 90);
        }
        request.max_tokens = 2;
      }
      for (const Outcome& outcome : run_together(engine, requests)) {
        cached += outcome.stats.cached_tokens;
      }
    }
    return cached;
  };
  const i64 alone = conversations(*model.engine(small_options()));
  EXPECT_GT(alone, 4 * 100);
  EXPECT_GE(conversations(*ranked(model, small_options(), on(3))), alone * 9 / 10);
}

}  // namespace
}  // namespace fathom::engine
