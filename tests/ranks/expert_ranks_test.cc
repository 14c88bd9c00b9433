// Experts on several ranks give the bits that one rank gives.
#include "model/expert_ranks/expert_ranks.h"

#include <cstring>
#include <functional>
#include <numeric>

#include "base/parallel.h"
#include "base/rng.h"
#include "comm/test_chaos.h"
#include "engine/ranks/token_dealer.h"
#include "model/test_support.h"
#include "model/weights/random_weights.h"
#include "ops/moe/moe.h"

namespace fathom::model {
namespace {

constexpr i64 kMoeLayer = 1;  // of ragged_v3: the only one of the main model

checkpoint::ModelStorage fp8() { return {.linear = {.dtype = DType::kF8E4M3}}; }

std::unique_ptr<Model> small_model(checkpoint::ModelStorage storage = {}) {
  Ctx ctx = backend::make_context();
  return Model::random(ctx, ragged_v3(), {.storage = storage, .seed = 3});
}

/// Experts in order over all slots, then from the first again: replicas of the first ones.
std::vector<ExpertMap> numbered_maps(const Model& model, i64 ranks, i64 slots, i32 shift = 0) {
  const i64 experts = model.config().n_routed_experts;
  std::vector<i32> expert_of(static_cast<size_t>(ranks * slots));
  for (size_t s = 0; s < expert_of.size(); ++s) {
    expert_of[s] = static_cast<i32>((static_cast<i64>(s) + shift) % experts);
  }
  const i64 layers = model.config().num_hidden_layers + model.num_mtp();
  return std::vector<ExpertMap>(static_cast<size_t>(layers), ExpertMap(expert_of, experts, slots));
}

/// One rank of a job that serves.
struct Side {
  Side(comm::Comm& world, const Model& model, std::vector<ExpertMap> maps,
       const ExpertRanksOptions& options = {})
      : threads(1),
        moves(world.split(0, world.rank(), "moves")),
        ranks(ctx, world, moves, model, std::move(maps), options) {}
  OwnThreads threads;
  Ctx ctx = backend::make_context();
  comm::Comm moves;
  ExpertRanks ranks;
};

/// A MoE layer's tokens; choice(token, slot) is an expert.
struct Tokens {
  Tokens(const Model& model, i64 count, u64 seed, const std::function<i64(i64, i64)>& choice)
      : x({count, model.config().hidden_size}),
        chosen({count, model.config().num_experts_per_tok}),
        weights(chosen.dims()) {
    const Philox rng(seed, 2);
    u64 counter = 0;
    for (i64 i = 0; i < x.size(); ++i) x[i] = static_cast<float>(rng.normal(counter++));
    for (i64 t = 0; t < count; ++t) {
      for (i64 j = 0; j < chosen.v<2>().dim(1); ++j) {
        chosen.v<2>()(t, j) = static_cast<i32>(choice(t, j));
        weights.v<2>()(t, j) = static_cast<float>(rng.uniform(counter++));
      }
    }
  }
  Tensor<float> x;
  Tensor<i32> chosen;
  Tensor<float> weights;
};

Tensor<float> on_one_rank(Ctx& ctx, const Model& model, Tokens& tokens, device::LinearMode mode) {
  Tensor<float> y(tokens.x.dims());
  ops::moe_experts_forward(ctx, tokens.x.v<2>(), model.routed_experts(kMoeLayer),
                           tokens.chosen.v<2>(), tokens.weights.v<2>(), y.v<2>(), mode);
  return y;
}

Tensor<float> on_ranks(Side& side, Tokens& tokens, device::LinearMode mode, i64 layer = kMoeLayer) {
  Tensor<float> y(tokens.x.dims());
  side.ranks.forward({layer, mode}, tokens.x.v<2>(), tokens.chosen.v<2>(), tokens.weights.v<2>(),
                     y.v<2>());
  return y;
}

bool same_bits(const Tensor<float>& a, const Tensor<float>& b) {
  return a.dims() == b.dims() &&
         std::memcmp(a.data(), b.data(), static_cast<size_t>(a.size()) * sizeof(float)) == 0;
}

i64 anywhere(i64 t, i64 j) { return (t * 3 + j * 5) % 8; }

// Ranks without tokens, one token in the job, all tokens on one expert, several rounds a call, and
// numbers of experts, slots and ranks that divide nothing.
TEST(ExpertRanksTest, AnyTokensOnAnyRanksGetOneRanksBits) {
  const auto model = small_model();
  struct Case {
    int ranks;
    i64 slots;
    std::vector<i64> tokens;  // of each rank
    std::function<i64(i64, i64)> choice;
    int per_node = 0;  // two hops
  };
  const auto one_expert = [](i64, i64 j) { return j == 0 ? 5 : 2; };
  const std::vector<Case> cases = {{2, 4, {3, 5}, anywhere},
                                   {4, 2, {0, 1, 0, 0}, anywhere},
                                   {3, 3, {7, 0, 20}, anywhere},
                                   {5, 2, {1, 2, 3, 4, 9}, one_expert},
                                   {3, 5, {9, 9, 0}, one_expert},
                                   {4, 2, {0, 3, 1, 20}, anywhere, 2},
                                   {6, 2, {4, 0, 1, 0, 9, 2}, anywhere, 3}};
  for (const Case& each : cases) {
    for (comm::ThreadsOptions options : comm::testing::quiet_and_chaotic(2)) {
      options.job.ranks_per_node = each.per_node;
      comm::run_ranks(each.ranks, options, [&](comm::Comm& world) {
        Side side(world, *model, numbered_maps(*model, each.ranks, each.slots),
                  {.round_tokens = 8});
        const i64 count = each.tokens[static_cast<size_t>(world.rank())];
        Tokens tokens(*model, count, static_cast<u64>(world.rank()), each.choice);
        // Half of the ranks prefill, the others decode: what one round carries differs.
        const device::LinearMode mode(ops::Activations::kBf16, world.rank() % 2 == 1);
        if (count > 0) {
          EXPECT_TRUE(
              same_bits(on_ranks(side, tokens, mode), on_one_rank(side.ctx, *model, tokens, mode)))
              << "rank " << world.rank() << " of " << each.ranks;
        }
        const auto& words = side.ranks.end_step({.has_work = count});
        for (size_t r = 0; r < words.size(); ++r) EXPECT_EQ(words[r].has_work, each.tokens[r]);
      });
    }
  }
}

// A rank in its MTP module beside one in the main model: one round, two layers.
TEST(ExpertRanksTest, ARoundCarriesTokensOfSeveralLayers) {
  const auto model = small_model();
  ASSERT_EQ(model->num_mtp(), 1);
  comm::run_ranks(3, {}, [&](comm::Comm& world) {
    Side side(world, *model, numbered_maps(*model, 3, 3));
    Tokens tokens(*model, 6, static_cast<u64>(world.rank()), anywhere);
    const i64 layer = world.rank() == 1 ? 2 : kMoeLayer;
    const Tensor<float> y = on_ranks(side, tokens, ops::Activations::kF32, layer);
    Tensor<float> want(y.dims());
    ops::moe_experts_forward(side.ctx, tokens.x.v<2>(), model->routed_experts(layer),
                             tokens.chosen.v<2>(), tokens.weights.v<2>(), want.v<2>(),
                             ops::Activations::kF32);
    EXPECT_TRUE(same_bits(y, want)) << "rank " << world.rank();
    side.ranks.end_step({});
    i64 pairs = 0;
    for (const i64 load : side.ranks.rank_loads()[2]) pairs += load;
    EXPECT_EQ(pairs, 12) << "counted under the layer that they want";
  });
}

TEST(ExpertRanksTest, NarrowWiresStayNear) {
  const auto model = small_model();
  for (const auto& [wire, tolerance] :
       {std::pair(ExpertWire::kBf16, 0.01), std::pair(ExpertWire::kFp8, 0.06)}) {
    comm::run_ranks(3, {}, [&](comm::Comm& world) {
      Side side(world, *model, numbered_maps(*model, 3, 3), {.wire = wire});
      Tokens tokens(*model, 9, static_cast<u64>(world.rank()), anywhere);
      const Tensor<float> want = on_one_rank(side.ctx, *model, tokens, ops::Activations::kF32);
      const Tensor<float> got = on_ranks(side, tokens, ops::Activations::kF32);
      EXPECT_LT(relative_error(got, want), tolerance);
      EXPECT_GT(relative_error(got, want), 0.0);
      side.ranks.end_step({});
    });
  }
}

/// Logits of every token: a prompt at once, then one token after the other.
std::vector<Tensor<float>> serve(Ctx& ctx, const Model& model, u64 seed, i64 prompt, i64 answer,
                                 const RunOptions& options) {
  KvCache cache(model.config(), ops::CacheDType::kF32, prompt + answer);
  std::vector<Tensor<float>> logits;
  for (i64 step = 0; step <= answer; ++step) {
    std::vector<i32> ids(static_cast<size_t>(step == 0 ? prompt : 1));
    for (size_t i = 0; i < ids.size(); ++i) {
      ids[i] = static_cast<i32>((seed * 31 + i * 7 + static_cast<u64>(step) * 11) % 300);
    }
    logits.push_back(run(ctx, model, ids, cache, options));
  }
  return logits;
}

// Whole passes, of other lengths on each rank and none on one: their layers meet in any order.
TEST(ExpertRanksTest, ModelsOfAllRanksGetOneRanksLogits) {
  for (const auto& storage : {checkpoint::ModelStorage{}, fp8()}) {
    const auto model = small_model(storage);
    for (const comm::ThreadsOptions& chaos : comm::testing::quiet_and_chaotic(1)) {
      comm::run_ranks(4, chaos, [&](comm::Comm& world) {
        Side side(world, *model, numbered_maps(*model, 4, 3));
        const auto rank = static_cast<u64>(world.rank());
        RunOptions options{.ranks = &side.ranks};
        std::vector<Tensor<float>> got;
        if (rank != 2)
          got =
              serve(side.ctx, *model, rank, 1 + 39 * (world.rank() % 2), 2 + world.rank(), options);
        side.ranks.end_step({});
        options.ranks = nullptr;
        if (rank == 2) return;
        const auto want =
            serve(side.ctx, *model, rank, 1 + 39 * (world.rank() % 2), 2 + world.rank(), options);
        for (size_t i = 0; i < got.size(); ++i)
          EXPECT_TRUE(same_bits(got[i], want[i])) << "rank " << rank << " step " << i;
      });
    }
  }
}

// Of every stored type, scales and minima with the numbers; while a layer moves it runs as before.
TEST(ExpertRanksTest, MovedExpertsChangeNoBit) {
  for (const auto& storage : {checkpoint::ModelStorage{}, fp8()}) {
    const auto model = small_model(storage);
    for (const comm::ThreadsOptions& chaos : comm::testing::quiet_and_chaotic(1)) {
      comm::run_ranks(3, chaos, [&](comm::Comm& world) {
        Side side(world, *model, numbered_maps(*model, 3, 3));
        Tokens tokens(*model, 10, static_cast<u64>(world.rank()), anywhere);
        const Tensor<float> want = on_one_rank(side.ctx, *model, tokens, ops::Activations::kBf16);
        ExpertSlots& slots = side.ranks.slots();
        for (i32 shift = 1; shift <= 4; ++shift) {
          const i64 bytes =
              slots.begin_move(kMoeLayer, numbered_maps(*model, 3, 3, shift * 3 % 8)[kMoeLayer]);
          EXPECT_GT(bytes, 0);
          EXPECT_TRUE(same_bits(on_ranks(side, tokens, ops::Activations::kBf16), want))
              << "on its way";
          side.ranks.end_step({});
          slots.finish_move();
          EXPECT_TRUE(same_bits(on_ranks(side, tokens, ops::Activations::kBf16), want))
              << "after move " << shift;
          side.ranks.end_step({});
        }
        const ExpertMap& map = slots.map(kMoeLayer);
        for (i64 s = 0; s < 3; ++s) {  // other memory, not the checkpoint's
          const auto expert = static_cast<size_t>(map.expert_of(world.rank() * 3 + s));
          const MatRef& here = slots.of(kMoeLayer)[static_cast<size_t>(s)].up_proj;
          const MatRef& stored = model->routed_experts(kMoeLayer)[expert].up_proj;
          EXPECT_NE(here.data, stored.data);
          if (stored.scale != nullptr) {
            EXPECT_NE(here.scale, stored.scale);
          }
        }
      });
    }
  }
}

TEST(ExpertRanksTest, ReplicasShareTheirExpertsTokens) {
  const auto model = small_model();
  comm::run_ranks(2, {}, [&](comm::Comm& world) {
    // Expert 0 has a slot on each rank, the others have one: 0..4 on rank 0, 5..7, 0, 1 on rank 1.
    Side side(world, *model, numbered_maps(*model, 2, 5));
    Tokens tokens(*model, 8, 1, [](i64, i64 j) { return j == 0 ? 0 : 6; });
    on_ranks(side, tokens, ops::Activations::kF32);
    side.ranks.end_step({});
    const auto& loads = side.ranks.rank_loads()[kMoeLayer];
    EXPECT_EQ(loads[0], 8) << "half of expert 0's 16";
    EXPECT_EQ(loads[1], 24) << "the other half, and expert 6's 16";
    const auto own = side.ranks.take_loads()[kMoeLayer];
    EXPECT_EQ(own[0], 8);
    EXPECT_EQ(own[6], 8);
    EXPECT_EQ(side.ranks.take_loads()[kMoeLayer][0], 0) << "taken";
  });
}

// All of an expert's tokens to the last rank that has it.
TEST(ExpertRanksTest, TokensGoWhereTheyAreDealt) {
  const auto model = small_model();
  const DealTokens deal = [](const ExpertMap& map, View<const i64, 2> wanted,
                             std::vector<TokenDeal>& deals) {
    for (i64 e = 0; e < map.experts(); ++e) {
      const auto rank = static_cast<i32>(map.rank_of(map.slots_of(e).back()));
      for (i64 s = 0; s < map.ranks(); ++s) {
        if (wanted(s, e) > 0)
          deals.push_back({static_cast<i32>(e), static_cast<i32>(s), rank, wanted(s, e)});
      }
    }
  };
  for (const comm::ThreadsOptions& options : comm::testing::quiet_and_chaotic(1)) {
    comm::run_ranks(3, options, [&](comm::Comm& world) {
      Side side(world, *model, numbered_maps(*model, 3, 5),
                {.deal = deal});  // 0..4 | 5..7 0 1 | 2..6
      Tokens tokens(*model, world.rank() * 3, 1, anywhere);
      if (world.rank() > 0) {
        EXPECT_TRUE(same_bits(on_ranks(side, tokens, ops::Activations::kF32),
                              on_one_rank(side.ctx, *model, tokens, ops::Activations::kF32)));
      }
      side.ranks.end_step({});
      const auto& loads = side.ranks.rank_loads()[kMoeLayer];
      EXPECT_EQ(loads[0], 0) << "all its experts have a later replica";
      EXPECT_EQ(loads[1] + loads[2], 18);
    });
  }
}

// Dealt by the flow, and all to the first replica.
TEST(ExpertRanksTest, ARoundThatIsDealtIsAsEvenAsReplicasAllow) {
  const auto model = small_model();
  const auto round_imbalance = [&](const DealTokens& deal) {
    double imbalance = 0.0;
    comm::run_ranks(4, {}, [&](comm::Comm& world) {
      Side side(world, *model, numbered_maps(*model, 4, 4), {.deal = deal});
      Tokens tokens(*model, 12, 1, [](i64 t, i64 j) { return j == 0 ? 1 : (t % 3 == 0 ? 5 : 2); });
      EXPECT_TRUE(same_bits(on_ranks(side, tokens, ops::Activations::kF32),
                            on_one_rank(side.ctx, *model, tokens, ops::Activations::kF32)));
      side.ranks.end_step({});
      if (world.rank() == 0) imbalance = side.ranks.round_imbalance();
    });
    return imbalance;
  };
  // Experts 1 and 2, 80 of 96 pairs, are on ranks 0 and 2 alone: 40 on each.
  EXPECT_DOUBLE_EQ(round_imbalance(engine::least_largest_load(0)), 40.0 * 4 / 96);
  const DealTokens all_to_the_first = [](const ExpertMap& map, View<const i64, 2> wanted,
                                         std::vector<TokenDeal>& deals) {
    for (i32 e = 0; e < map.experts(); ++e) {
      const auto rank = static_cast<i32>(map.rank_of(map.slots_of(e).front()));
      for (i32 s = 0; s < map.ranks(); ++s) {
        if (wanted(s, e) > 0) deals.push_back({e, s, rank, wanted(s, e)});
      }
    }
  };
  EXPECT_DOUBLE_EQ(round_imbalance(all_to_the_first), 80.0 * 4 / 96);
}

// A message's tag is a number on its receiver: there are more slots in all than tags.
TEST(ExpertSlotsTest, MovesBeyondTheNumberOfTags) {
  const auto model = small_model();
  const i64 experts = model->config().n_routed_experts, slots = comm::Comm::kUserTags / 2 + 1;
  const i64 layers = model->config().num_hidden_layers + model->num_mtp();
  std::vector<i32> expert_of(static_cast<size_t>(2 * slots), 0);
  for (size_t s = 0; s < static_cast<size_t>(experts); ++s) expert_of[s] = static_cast<i32>(s);
  const ExpertMap first(expert_of, experts, slots);
  expert_of.back() = 3;
  const ExpertMap next(expert_of, experts, slots);
  comm::run_ranks(2, {}, [&](comm::Comm& world) {
    ExpertSlots mine(*model, world, std::vector<ExpertMap>(static_cast<size_t>(layers), first));
    EXPECT_EQ(mine.begin_move(kMoeLayer, next) > 0, world.rank() == 1);
    mine.finish_move();
    if (world.rank() == 0) return;
    const auto packed = [](const device::FfnWeights& expert) {
      std::vector<u8> bytes(static_cast<size_t>(packed_expert_bytes(expert)));
      pack_expert(expert, bytes.data());
      return bytes;
    };
    EXPECT_EQ(packed(mine.of(kMoeLayer).back()), packed(model->routed_experts(kMoeLayer)[3]));
  });
}

TEST(ExpertMapTest, RefusesAnExpertWithoutASlot) {
  EXPECT_THROW(ExpertMap({0, 1, 1, 0}, 3, 2), InternalError);
  EXPECT_THROW(ExpertMap({0, 1, 2}, 3, 2), InternalError);
  const ExpertMap map({2, 0, 1, 2}, 3, 2);
  EXPECT_EQ(map.slots_of(2).size(), 2u);
  EXPECT_EQ(map.slots_of(2)[1], 3);
  EXPECT_EQ(map.rank_of(3), 1);
}

}  // namespace
}  // namespace fathom::model
