// Where experts, tokens and requests go: the balancer, the dealer, the router.
#include <gmock/gmock.h>

#include <filesystem>
#include <set>
#include <tuple>

#include "base/parallel.h"
#include "comm/threads/run_ranks.h"
#include "engine/ranks/expert_balancer.h"
#include "engine/ranks/prefix_router.h"
#include "engine/ranks/token_dealer.h"
#include "engine/test_models.h"

namespace fathom::engine {
namespace {

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
  TestModel model(tiny_v3(/*mtp=*/0));
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

TEST(PrefixRouterTest, AShorterBeginningCountsWhereTheLongestOnesRankIsBusy) {
  PrefixRouter router(3, {.step_tokens = 4, .patience = 2, .capacity = 100});
  const std::vector<i32> text = {1, 2, 3, 4, 5, 6, 7, 8};
  const std::span<const i32> all(text);
  EXPECT_EQ(router.choose("", "", all, std::vector<i64>{1, 0, 1}), 1);
  EXPECT_EQ(router.choose("", "", all.first(4), std::vector<i64>{0, 9, 5}), 0) << "it is busy";
  EXPECT_EQ(router.choose("", "", all, std::vector<i64>{1, 9, 0}), 0) << "it has four of them";
}

TEST(PrefixRouterTest, WhatCameAgainIsNotTheOldest) {
  PrefixRouter router(2, {.step_tokens = 1, .patience = 9, .capacity = 4});
  const std::vector<i32> text = {1, 2};
  EXPECT_EQ(router.choose("", "", text, std::vector<i64>{1, 0}), 1);
  EXPECT_EQ(router.choose("", "", text, std::vector<i64>{0, 1}), 1);
  router.choose("", "", std::vector<i32>{7, 8}, std::vector<i64>{0, 1});
  EXPECT_EQ(router.choose("", "", text, std::vector<i64>{0, 1}), 1);
}

TEST(PrefixRouterTest, ARankThatComesBackGetsItsShareOfNewTexts) {
  PrefixRouter router(3);
  const i64 away = i64{1} << 40;
  for (i32 t = 0; t < 40; ++t) {
    router.choose("", "", std::vector<i32>(64, t), std::vector<i64>{0, away, 0});
  }
  router.level(1, std::vector<i64>{0, 2});
  std::vector<i64> chosen(3, 0);
  for (i32 t = 100; t < 130; ++t) {
    ++chosen[static_cast<size_t>(
        router.choose("", "", std::vector<i32>(64, t), std::vector<i64>{0, 0, 0}))];
  }
  EXPECT_EQ(chosen, (std::vector<i64>{10, 10, 10}));
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

TEST(PrefixRouterTest, NewTextsOneByOneSpreadOverAllRanks) {
  PrefixRouter router(3);
  std::vector<i64> chosen(3, 0);
  for (i32 i = 0; i < 9; ++i) {
    const std::vector<i32> text(64, i);
    ++chosen[static_cast<size_t>(router.choose("", "", text, std::vector<i64>{0, 0, 0}))];
  }
  EXPECT_EQ(chosen, (std::vector<i64>{3, 3, 3}));
  const std::vector<i32> text(64, 0);
  EXPECT_EQ(router.choose("", "", text, std::vector<i64>{7, 9, 7}), 0) << "a load counts for more";
}

TEST(ExpertBalancerTest, EveryRankGetsAsManySlots) {
  EXPECT_EQ(rank_shape(7, 4, 0).replicas, 8);
  EXPECT_EQ(rank_shape(8, 4, 1).replicas, 12);
  EXPECT_EQ(rank_shape(2, 5, 0).replicas, 5);
}

}  // namespace
}  // namespace fathom::engine
