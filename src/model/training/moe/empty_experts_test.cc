// Steps in which experts get no tokens: because nobody chose them, or because every pair was
// dropped.
#include <gtest/gtest.h>

#include <algorithm>

#include "backend/backend.h"
#include "model/training/training_test_support.h"

namespace fathom::model {
namespace {

TEST(TrainingModel, ExpertsWithoutTokens) {
  Ctx ctx = backend::make_context();
  const ModelConfig config = small_v3();
  TrainingModel model(ctx, config, f32_recipe(), 1, 3);
  randomise(ctx, model);
  for (i64 layer = 0; layer < model.num_moe_layers(); ++layer) {
    // Everything goes to experts 0 and 1, the others see nothing.
    const View<float, 1> bias = model.router_bias(layer);
    for (i64 e = 0; e < bias.dim(0); ++e) bias(e) = e < 2 ? 10.0f : -10.0f;
  }
  const BatchData data(config, 1, 3);
  const StepResult step = run_step(ctx, model, data);
  for (const auto& counts : step.stats.expert_counts) {
    EXPECT_EQ(counts, (std::vector<i64>{3, 3, 0, 0, 0, 0, 0, 0}));
  }
  for (const checkpoint::ParameterSlot& slot : model.layout().slots()) {
    if (slot.parameter.expert < 0) continue;
    const auto g = part_of(step.gradients, slot);
    const bool any = std::ranges::any_of(g, [](float x) { return x != 0.0f; });
    EXPECT_EQ(any, slot.parameter.expert < 2) << slot.parameter.name;
    EXPECT_TRUE(std::ranges::all_of(g, [](float x) { return std::isfinite(x); }));
  }
}

TEST(TrainingModel, EveryPairDropped) {
  Ctx ctx = backend::make_context();
  const ModelConfig config = small_v3();
  TrainingRecipe recipe = f32_recipe();
  recipe.balance.capacity_factor = 1e-3;  // a budget of no pair
  recipe.balance.drop_exempt_frac = 0.0;
  TrainingModel model(ctx, config, recipe, 2, 8);
  randomise(ctx, model);
  const StepResult step = run_step(ctx, model, BatchData(config, 2, 8));
  EXPECT_EQ(step.stats.dropped, 2 * 8 * config.num_experts_per_tok * model.num_moe_layers());
  for (const checkpoint::ParameterSlot& slot : model.layout().slots()) {
    const auto g = part_of(step.gradients, slot);
    EXPECT_TRUE(std::ranges::all_of(g, [](float x) { return std::isfinite(x); }));
    const bool any = std::ranges::any_of(g, [](float x) { return x != 0.0f; });
    const bool shared = slot.parameter.name.find("shared_experts") != std::string::npos;
    if (slot.parameter.expert >= 0 || shared) {
      EXPECT_EQ(any, shared) << slot.parameter.name;
    }
  }
}

}  // namespace
}  // namespace fathom::model
