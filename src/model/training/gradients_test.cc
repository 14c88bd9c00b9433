// Gradients are slopes of the loss, and the same bits whatever is saved for them.
#include <gtest/gtest.h>

#include "backend/backend.h"
#include "model/test_support.h"
#include "model/training/training_test_support.h"
#include "testing/for_each_isa.h"

namespace fathom::model {
namespace {

/// The whole loss of a step, and which experts it was computed with.
struct LossAt {
  double loss;
  std::vector<std::vector<i64>> expert_counts;
};
LossAt loss_at(Ctx& ctx, TrainingModel& model, const BatchData& data, double mtp_weight) {
  const StepStats stats = run_step(ctx, model, data, mtp_weight).stats;
  const double sum = stats.nll + mtp_weight * stats.mtp_nll[0];
  return {sum / static_cast<double>(stats.targets) + stats.balance_loss(), stats.expert_counts};
}

// Along a tensor's own gradient the loss must rise by the gradient's square: one number a tensor
// that all its elements take part in, large enough to stand above the noise of f32. The choice of
// experts jumps, so a step that changes it is made smaller.
void expect_every_gradient_is_a_slope(const TrainingRecipe& recipe) {
  const testing::ScopedThreads one(1);
  Ctx ctx = backend::make_context();
  const ModelConfig config = small_v3();
  TrainingModel model(ctx, config, recipe, 2, 16);
  randomise(ctx, model);
  const BatchData data(config, 2, 16);
  const StepResult step = run_step(ctx, model, data);
  for (const checkpoint::ParameterSlot& slot : model.layout().slots()) {
    if (!slot.has_gradient) continue;
    const auto g = part_of(step.gradients, slot);
    double square = 0.0;
    for (const float x : g) square += static_cast<double>(x) * static_cast<double>(x);
    if (square == 0.0) continue;
    float* w = model.weights().data() + slot.offset;
    const std::vector<float> before(w, w + slot.parameter.elements());
    const auto at = [&](double length) {
      for (size_t i = 0; i < g.size(); ++i) {
        w[i] = before[i] + static_cast<float>(length * static_cast<double>(g[i]));
      }
      LossAt result = loss_at(ctx, model, data, 0.3);
      std::copy(before.begin(), before.end(), w);
      return result;
    };
    double length = 2e-3 / std::sqrt(square);
    LossAt up = at(length), down = at(-length);
    while (length * std::sqrt(square) > 1e-4 && (up.expert_counts != step.stats.expert_counts ||
                                                 down.expert_counts != step.stats.expert_counts)) {
      length /= 2;
      up = at(length);
      down = at(-length);
    }
    ASSERT_EQ(up.expert_counts, down.expert_counts) << slot.parameter.name;
    EXPECT_NEAR((up.loss - down.loss) / (2 * length * square), 1.0, 0.02)
        << slot.parameter.name << " |g| " << std::sqrt(square) << " length " << length;
  }
}

TEST(TrainingModel, EveryTensorsGradientIsItsSlope) {
  expect_every_gradient_is_a_slope(f32_recipe());
}

TEST(TrainingModel, EveryTensorsGradientIsItsSlopeWithTokensDropped) {
  TrainingRecipe recipe = f32_recipe();
  recipe.balance.capacity_factor = 0.5;
  recipe.balance.num_devices = 2;
  recipe.balance.drop_exempt_frac = 0.0;
  expect_every_gradient_is_a_slope(recipe);
}

TEST(TrainingModel, RecomputedIsSavedBitForBit) {
  const testing::ScopedThreads one(1);
  Ctx ctx = backend::make_context();
  ModelConfig no_q_lora = small_v3();
  no_q_lora.q_lora_rank = 0;
  const ModelConfig llama = value_or_throw(load_model_config(golden_directory("llama")));
  const ModelConfig qwen = value_or_throw(load_model_config(golden_directory("qwen3_tied")));
  for (const ModelConfig& config : {small_v3(), no_q_lora, llama, qwen}) {
    const BatchData data(config, 2, 16);
    std::vector<float> first;
    for (int bits = 0; bits < 8; ++bits) {
      const TrainingRecipe recipe =
          with_recompute(f32_recipe(), (bits & 1) == 0, (bits & 2) == 0, (bits & 4) == 0);
      TrainingModel model(ctx, config, recipe, 2, 16);
      randomise(ctx, model);
      StepResult step = run_step(ctx, model, data);
      if (bits == 0) first = step.gradients;
      EXPECT_EQ(step.gradients, first) << bits;
    }
  }
}

}  // namespace
}  // namespace fathom::model
