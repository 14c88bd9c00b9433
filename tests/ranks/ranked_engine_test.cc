// An engine over several ranks answers as one of one rank does.
#include "engine/ranks/ranked_engine.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <set>
#include <tuple>

#include "base/parallel.h"
#include "comm/threads/run_ranks.h"
#include "engine/ranks/prefix_router.h"
#include "engine/test_predictable.h"
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
    const ModelConfig config = tiny_v3(/*mtp=*/0);
    const testing::TempDir directory;
    const std::string random = (directory.path() / "random").string();
    checkpoint::write_random_checkpoint(ctx, config, random,
                                        {.dtype = DType::kF32, .weight_std = 0.2, .seed = 5});
    const checkpoint::ParameterLayout layout(config);
    std::vector<float> weights(static_cast<size_t>(layout.size()));
    checkpoint::read_model_directory(ctx, config, layout, random, weights);
    for (const checkpoint::ParameterSlot& slot : layout.slots()) {
      if (!ends_with_any(slot.parameter.name, {"e_score_correction_bias"})) continue;
      for (i64 e = 0; e < slot.parameter.elements(); ++e) {
        weights[static_cast<size_t>(slot.offset + e)] =
            e % 5 == 1 ? 0.4f : 0.02f * static_cast<float>(e % 3);
      }
    }
    checkpoint::write_model_directory(ctx, config, layout, weights, path, DType::kF32);
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

// Of a matrix of tokens: what is wanted is dealt, where the expert is, and no rank could have less.
TEST(TokenDealerTest, DealsAllTokensForTheLeastLargestLoad) {
  const model::ExpertMap map({0, 1, 2, 3, 0, 4, 5, 1}, 6, 2);  // 4 ranks
  const std::vector<i64> numbers = {9, 0, 1, 0, 0, 2, 3, 4, 0, 0, 0, 0,
                                    0, 0, 0, 0, 7, 0, 0, 1, 0, 0, 0, 0};
  const View<const i64, 2> wanted(numbers.data(), {4, 6});
  std::vector<model::TokenDeal> deals;
  least_largest_load(0)(map, wanted, deals);
  std::vector<i64> left = numbers, load(4, 0);
  for (const model::TokenDeal& deal : deals) {
    EXPECT_GT(deal.tokens, 0);
    left[static_cast<size_t>(deal.source * 6 + deal.expert)] -= deal.tokens;
    load[static_cast<size_t>(deal.rank)] += deal.tokens;
    bool hosts = false;
    for (const i32 slot : map.slots_of(deal.expert))
      hosts = hosts || map.rank_of(slot) == deal.rank;
    EXPECT_TRUE(hosts);
  }
  EXPECT_THAT(left, ::testing::Each(0));
  EXPECT_EQ(*std::ranges::max_element(load), 10) << "the 19 tokens of 0 and 4 have ranks 0 and 2";
}

TEST(TokenDealerTest, RanksWorkOnFewExpertsWhereThatCostsNothing) {
  // Each of 4 ranks hosts all 8 experts; one has a third of the tokens.
  std::vector<i32> slots;
  std::vector<i64> numbers;
  for (int rank = 0; rank < 4; ++rank) {
    for (i32 e = 0; e < 8; ++e) {
      slots.push_back(e);
      numbers.push_back(e == 0 ? 10 : 3);
    }
  }
  const model::ExpertMap map(slots, 8, 8);
  const auto most_active = [&](i64 cap) {
    std::vector<model::TokenDeal> deals;
    least_largest_load(cap)(map, {numbers.data(), {4, 8}}, deals);
    std::vector<std::set<i32>> active(4);
    std::set<std::tuple<i32, i32, i32>> seen;
    for (const model::TokenDeal& deal : deals) {
      active[static_cast<size_t>(deal.rank)].insert(deal.expert);
      EXPECT_TRUE(seen.insert({deal.expert, deal.source, deal.rank}).second) << "dealt twice";
    }
    size_t most = 0;
    for (const auto& experts : active) most = std::max(most, experts.size());
    return most;
  };
  EXPECT_EQ(most_active(0), 4u);
  EXPECT_EQ(most_active(3), 3u);
}

/// One rank's steps: `loads[e]` tokens choose expert e and its next ones in the one layer of
/// experts.
void run_loads(comm::Comm& world, const model::Model& model, model::ExpertRanks& ranks,
               const std::vector<i64>& loads) {
  if (world.rank() == 0) {
    std::vector<i32> chosen;
    for (size_t e = 0; e < loads.size(); ++e) {
      for (i64 i = 0; i < loads[e]; ++i) {
        for (i64 j = 0; j < model.config().num_experts_per_tok; ++j) {
          chosen.push_back(static_cast<i32>((e + 5 * static_cast<size_t>(j)) % loads.size()));
        }
      }
    }
    const i64 topk = model.config().num_experts_per_tok;
    const i64 tokens = std::ssize(chosen) / topk, hidden = model.config().hidden_size;
    std::vector<float> x(static_cast<size_t>(tokens * hidden), 0.1f), y(x.size());
    const std::vector<float> weights(chosen.size(), 0.5f);
    ranks.forward({1, ops::Activations::kF32}, {x.data(), {tokens, hidden}},
                  {chosen.data(), {tokens, topk}}, {weights.data(), {tokens, topk}},
                  {y.data(), {tokens, hidden}});
  }
  ranks.end_step({});
}

// What a look does is what plan's functions say of the loads, the older ones at half their weight.
TEST(ExpertBalancerTest, ALookPlacesByAllLoadsAndMovesLittle) {
  TestModel& model = skewed_v3();
  const i64 experts = model.model->config().n_routed_experts;
  const plan::PlacementShape shape = rank_shape(experts, 4, 4);
  const testing::TempDir folder;
  comm::run_ranks(4, {}, [&](comm::Comm& world) {
    const OwnThreads threads(1);
    Ctx ctx = backend::make_context();
    comm::Comm moves = world.split(0, world.rank(), "moves");
    model::ExpertRanks ranks(ctx, world, moves, *model.model, first_maps(*model.model, shape), {});
    const std::string file = (folder.path() / "loads.txt").string();
    ExpertBalancer balancer(ranks, world, shape,
                            {.every_steps = 1, .least_gain = 0.0, .loads_file = file});
    std::vector<float> load(static_cast<size_t>(experts), 0.0f);
    std::vector<i64> first(load.size(), 1), second(load.size(), 1);
    first[1] = 60, first[5] = 30;
    second[2] = 200, second[9] = 20;
    for (const std::vector<i64>& loads : {first, second}) {
      run_loads(world, *model.model, ranks, loads);
      const i64 topk = model.model->config().num_experts_per_tok;
      for (float& each : load) each *= 0.5f;
      for (size_t e = 0; e < load.size(); ++e) {
        for (i64 j = 0; j < topk; ++j) {
          load[(e + 5 * static_cast<size_t>(j)) % load.size()] += static_cast<float>(loads[e]);
        }
      }
      balancer.after_step(true);  // looks, and a layer sets out
      ranks.end_step({});
      balancer.after_step(false);  // it is there
      ranks.end_step({});
    }
    const auto placed = plan::place_experts(load, shape);
    const model::ExpertMap& map = ranks.slots().map(1);
    std::vector<std::vector<i32>> want(4), got(4);
    for (i64 slot = 0; slot < shape.replicas; ++slot) {
      const auto rank = static_cast<size_t>(slot / shape.slots_per_gpu());
      want[rank].push_back(placed.expert_of_slot[static_cast<size_t>(slot)]);
      got[rank].push_back(map.expert_of(slot));
    }
    for (auto* sets : {&want, &got}) {
      for (auto& each : *sets) std::ranges::sort(each);
      std::ranges::sort(*sets);
    }
    EXPECT_EQ(got, want) << "but for the names of ranks and the order on one";
    EXPECT_EQ(balancer.counters().placements, 2u);
    EXPECT_LT(balancer.counters().moved_slots, 2u * static_cast<u64>(shape.replicas) * 8 / 10);
    world.barrier();
    EXPECT_TRUE(std::filesystem::exists(file));
  });
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

TEST(PrefixRouterTest, TheLongestKnownBeginningWinsUnlessItsRankIsBusy) {
  PrefixRouter router(3, {.step_tokens = 4, .patience = 2, .capacity = 100});
  const std::vector<i32> text = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  const std::span<const i32> all(text);
  EXPECT_EQ(router.choose("a", "", all.first(8), std::vector<i64>{1, 0, 1}), 1)
      << "nothing is known";
  EXPECT_EQ(router.choose("a", "", all, std::vector<i64>{0, 2, 0}), 1)
      << "known, and within patience";
  EXPECT_EQ(router.choose("b", "", all, std::vector<i64>{1, 2, 0}), 2) << "another tenant's text";
  EXPECT_EQ(router.choose("a", "x", all, std::vector<i64>{0, 2, 1}), 0) << "another salt's";
  EXPECT_EQ(router.choose("a", "", all, std::vector<i64>{3, 3, 0}), 2) << "too busy";
  EXPECT_EQ(router.choose("a", "", all, std::vector<i64>{0, 0, 0}), 2) << "it is there now as well";
  EXPECT_EQ(router.choose("a", "", all.first(3), std::vector<i64>{5, 4, 5}), 1)
      << "too short to know";
  EXPECT_GT(router.known_steps(), 0);
}

TEST(PrefixRouterTest, WhatCameAgainIsNotTheOldest) {
  PrefixRouter router(2, {.step_tokens = 1, .patience = 9, .capacity = 4});
  const std::vector<i32> text = {1, 2};
  EXPECT_EQ(router.choose("", "", text, std::vector<i64>{1, 0}), 1);
  EXPECT_EQ(router.choose("", "", text, std::vector<i64>{0, 1}), 1);
  router.choose("", "", std::vector<i32>{7, 8}, std::vector<i64>{0, 1});
  EXPECT_EQ(router.choose("", "", text, std::vector<i64>{0, 1}), 1);
}

TEST(PrefixRouterTest, ForgetsTheOldest) {
  PrefixRouter router(2, {.step_tokens = 1, .patience = 9, .capacity = 5});
  const std::vector<i32> old = {1, 2, 3};
  EXPECT_EQ(router.choose("", "", old, std::vector<i64>{1, 0}), 1);
  for (i32 i = 0; i < 40; ++i) {
    const std::vector<i32> other = {100 + i};
    router.choose("", "", other, std::vector<i64>{0, 0});
    EXPECT_LE(router.remembered(), 5);
  }
  EXPECT_EQ(router.choose("", "", old, std::vector<i64>{0, 1}), 0) << "forgotten";
}

TEST(ExpertBalancerTest, EveryRankGetsAsManySlots) {
  EXPECT_EQ(rank_shape(7, 4, 0).replicas, 8);
  EXPECT_EQ(rank_shape(8, 4, 1).replicas, 12);
  EXPECT_EQ(rank_shape(2, 5, 0).replicas, 5);
}

}  // namespace
}  // namespace fathom::engine
