#include "model/training/moe/token_dropping.h"

#include <algorithm>

#include "backend/backend.h"
#include "model/training/training_test_support.h"

namespace fathom::model::training {
namespace {

using testing::Tensor;

// Against the definition, pair by pair: a pair goes if as many better ones as the budget are on its
// device in its sequence.
TEST(TokenDropping, DropsTheLowestAffinitiesOfEachDeviceAndSequence) {
  Ctx ctx = backend::make_context();
  const ModelConfig config = small_v3();
  TrainingRecipe recipe;
  recipe.balance.capacity_factor = 0.8;
  recipe.balance.num_devices = 4;
  recipe.balance.drop_exempt_frac = 0.3;
  const Precision precision(recipe.precision);
  const i64 sequences = 40, seq_len = 12, topk = 2, experts = 8;
  TrainStep step{.ctx = ctx,
                 .config = config,
                 .recipe = recipe,
                 .precision = precision,
                 .sequences = sequences,
                 .seq_len = seq_len};
  std::vector<i64> samples(static_cast<size_t>(sequences));
  for (i64 s = 0; s < sequences; ++s) samples[static_cast<size_t>(s)] = 1000 + s;
  step.samples = {samples.data(), {sequences}};
  Tensor<float> scores({sequences * seq_len, experts});
  Tensor<i32> chosen({sequences * seq_len, topk}), kept({sequences * seq_len, topk});
  const Philox rng(3, 1);
  for (i64 i = 0; i < scores.size(); ++i) {
    scores[i] =
        static_cast<float>(static_cast<int>(rng.uniform(static_cast<u64>(i)) * 16)) / 16;  // ties
  }
  for (i64 t = 0; t < sequences * seq_len; ++t) {
    const i32 first = static_cast<i32>(rng.uniform(static_cast<u64>(t + 100000)) * 4);
    chosen[t * topk] = first;  // the lower experts are crowded
    chosen[t * topk + 1] =
        first + 1 + static_cast<i32>(rng.uniform(static_cast<u64>(t + 200000)) * 3);
  }
  const i64 dropped = drop_tokens(step, scores.v<2>(), chosen.v<2>(), kept.v<2>());

  const i64 budget = dropping_budget(recipe.balance, seq_len, topk);
  EXPECT_EQ(budget, 4);  // 0.8 * 12 * 2 / 4 = 4.8
  i64 gone = 0, exempt = 0;
  for (i64 s = 0; s < sequences; ++s) {
    exempt += is_exempt_from_dropping(recipe.balance, 1000 + s) ? 1 : 0;
    for (i64 i = s * seq_len * topk; i < (s + 1) * seq_len * topk; ++i) {
      i64 better = 0;
      const float affinity = scores[i / topk * experts + chosen[i]];
      for (i64 j = s * seq_len * topk; j < (s + 1) * seq_len * topk; ++j) {
        if (chosen[j] / 2 != chosen[i] / 2) continue;
        const float other = scores[j / topk * experts + chosen[j]];
        better += other > affinity || (other == affinity && j < i) ? 1 : 0;
      }
      const bool drop = better >= budget && !is_exempt_from_dropping(recipe.balance, 1000 + s);
      EXPECT_EQ(kept[i], drop ? -1 : chosen[i]) << i;
      gone += drop ? 1 : 0;
    }
  }
  EXPECT_EQ(dropped, gone);
  EXPECT_GT(gone, 100);
  EXPECT_GT(exempt, 4);
  EXPECT_LT(exempt, 20);
}

TEST(TokenDropping, ExemptionIsASampleOwnAndOfTheWantedShare) {
  BalanceConfig balance;
  i64 exempt = 0;
  for (i64 sample = 0; sample < 10000; ++sample) {
    exempt += is_exempt_from_dropping(balance, sample) ? 1 : 0;
  }
  EXPECT_NEAR(static_cast<double>(exempt) / 10000, 0.1, 0.01);
  balance.drop_exempt_frac = 0.0;
  EXPECT_FALSE(is_exempt_from_dropping(balance, 7));
  balance.drop_exempt_frac = 1.0;
  EXPECT_TRUE(is_exempt_from_dropping(balance, 7));
}

}  // namespace
}  // namespace fathom::model::training
