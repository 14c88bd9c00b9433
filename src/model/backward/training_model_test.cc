// Properties of the training pass that need no golden file.
#include "model/backward/training_model.h"

#include <gmock/gmock.h>

#include "model/backward/test_support.h"
#include "model/test_support.h"
#include "model/tolerances.h"
#include "testing/for_each_isa.h"
#include "testing/temp_dir.h"

namespace fathom::model {
namespace {

using testing::for_each_isa;
using testing::TempDir;

// The inference pass is the numeric truth: the same weights give the same logits.
TEST(TrainingModel, ForwardIsTheModelsForward) {
  for (const std::string& name : golden_cases()) {
    SCOPED_TRACE(name);
    const std::string directory = golden_directory(name).string();
    const Golden golden(name);
    const ModelConfig config = value_or_throw(load_model_config(directory));
    const auto ids = golden.ids("input_ids");
    const i64 tokens = std::ssize(ids);
    TrainingModel model(config, f32_recipe(), 1, tokens);
    for_each_isa([&](Ctx& ctx) {
      read_model_directory(ctx, config, model.layout(), directory, model.weights());
      BatchData data(config, 1, tokens);
      std::copy(ids.begin(), ids.end(), data.tokens().begin());
      model.refresh_weights(ctx);
      Tensor<float> got({tokens, config.vocab_size});
      model.forward_logits(ctx, data.batch(), got.v<2>());
      EXPECT_LE(relative_error(got, golden.floats("logits")), kF32LogitTol);
      const Tensor<float> ours = run(ctx, golden.model(), ids);
      EXPECT_LE(relative_error(got, ours), kF32LogitTol);
    });
  }
}

/// The loss as a function of the weights, and which experts it was computed with.
struct LossAt {
  double loss;
  std::vector<std::vector<i64>> expert_counts;
};
LossAt loss_at(Ctx& ctx, TrainingModel& model, const BatchData& data, double mtp_weight) {
  StepStats stats(model.config());
  model.refresh_weights(ctx);
  model.forward_only(ctx, data.batch(), stats);
  const double sum = stats.nll + mtp_weight * stats.mtp_nll[0];
  return {sum / static_cast<double>(stats.targets), stats.expert_counts};
}

// Along a tensor's own gradient the loss must rise by the gradient's square: one number a tensor that
// all its elements take part in, large enough to stand above the noise of f32. The choice of experts
// jumps, so a step that changes it is made smaller.
TEST(TrainingModel, EveryTensorsGradientIsItsSlope) {
  const testing::ScopedThreads one(1);
  Ctx ctx;
  const ModelConfig config = small_v3();
  TrainingModel model(config, f32_recipe(), 2, 16);
  randomise(ctx, model);
  const BatchData data(config, 2, 16);
  const StepResult step = run_step(ctx, model, data);
  for (const ParameterSlot& slot : model.layout().slots()) {
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
      const LossAt result = loss_at(ctx, model, data, 0.3);
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

}  // namespace
}  // namespace fathom::model
