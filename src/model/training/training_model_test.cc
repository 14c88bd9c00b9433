// Properties of the training pass that need no golden file.
#include "model/training/training_model.h"

#include <gmock/gmock.h>

#include "backend/backend.h"
#include "checkpoint/flat_weights.h"
#include "model/test_support.h"
#include "model/tolerances.h"
#include "model/training/training_test_support.h"
#include "testing/for_each_isa.h"

namespace fathom::model {
namespace {

using testing::for_each_isa;

// The inference pass is the numeric truth: the same weights give the same logits.
TEST(TrainingModel, ForwardIsTheModelsForward) {
  for (const std::string& name : golden_cases()) {
    SCOPED_TRACE(name);
    const std::string directory = golden_directory(name).string();
    const Golden golden(name);
    const ModelConfig config = value_or_throw(load_model_config(directory));
    const auto ids = golden.ids("input_ids");
    const i64 tokens = std::ssize(ids);
    TrainingModel model(backend::make_context(), config, f32_recipe(), 1, tokens);
    for_each_isa([&](Ctx& ctx) {
      checkpoint::read_model_directory(ctx, config, model.layout(), directory, model.weights());
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

TEST(TrainingModel, AnySplitIntoMicroBatchesGivesTheSameGradients) {
  const testing::ScopedThreads one(1);
  Ctx ctx = backend::make_context();
  const ModelConfig config = small_v3();
  TrainingRecipe recipe = f32_recipe();
  recipe.balance = {.seq_aux_loss_weight = 0.1,
                    .batch_aux_loss_weight = 0.1,
                    .expert_aux_loss_weight = 0.1,
                    .device_aux_loss_weight = 0.1,
                    .comm_aux_loss_weight = 0.1,
                    .num_devices = 4,
                    .max_devices_per_token = 2,
                    .capacity_factor = 0.9};
  BatchData data(config, 5, 16);
  for (size_t i = 0; i < data.targets().size(); i += 7) data.targets()[i] = -1;  // uneven counts
  TrainingModel model(ctx, config, recipe, 5, 16);
  randomise(ctx, model);
  const StepResult whole = run_step(ctx, model, data);
  EXPECT_GT(whole.stats.dropped, 0);
  EXPECT_GT(whole.stats.balance_loss(), 0.0);
  for (const i64 micro : {1, 2, 3}) {
    const StepResult split = run_step(ctx, model, data, 0.3, micro);
    EXPECT_LE(norm_error(split.gradients, whole.gradients), 2e-6) << micro;
    EXPECT_NEAR(split.stats.nll, whole.stats.nll, 1e-6 * whole.stats.nll);
    EXPECT_NEAR(split.stats.balance_loss(), whole.stats.balance_loss(), 1e-6);
    EXPECT_EQ(split.stats.expert_counts, whole.stats.expert_counts);
    EXPECT_EQ(split.stats.dropped, whole.stats.dropped);
    EXPECT_EQ(split.stats.mtp_drafts, whole.stats.mtp_drafts);
    EXPECT_EQ(split.stats.mtp_accepted, whole.stats.mtp_accepted);
  }
}

TEST(TrainingModel, BatchWiseLossRefusesAStepThatWasNotCounted) {
  Ctx ctx = backend::make_context();
  const ModelConfig config = small_v3();
  TrainingRecipe recipe = f32_recipe();
  recipe.balance.batch_aux_loss_weight = 0.1;
  TrainingModel model(ctx, config, recipe, 2, 16);
  randomise(ctx, model);
  EXPECT_TRUE(model.needs_counting_pass());
  const BatchData data(config, 4, 16);
  StepStats stats(config);
  model.begin_step(ctx);
  EXPECT_THROW(
      model.forward_backward(ctx, data.batch(0, 2), {.targets = 64, .sequences = 4}, stats),
      InternalError);
}

// Two documents packed into one sequence and isolated learn what they learn in sequences of their
// own. Rotary positions stay those of the packed sequence, and only their differences count.
TEST(TrainingModel, IsolatedDocumentsAreDocumentsAlone) {
  const testing::ScopedThreads one(1);
  Ctx ctx = backend::make_context();
  ModelConfig config = small_v3();
  config.num_nextn_predict_layers = 0;  // its last token would need the next document's first
  TrainingRecipe recipe = f32_recipe();
  recipe.balance.seq_aux_loss_weight = 0.0;  // it sees one sequence or two
  TrainingModel model(ctx, config, recipe, 2, 16);
  randomise(ctx, model);

  BatchData alone(config, 2, 8);  // documents of 8 tokens with 7 targets each
  alone.targets()[7] = alone.targets()[15] = -1;
  std::ranges::fill(alone.documents(), 0);
  BatchData packed(config, 1, 16);
  for (size_t d = 0; d < 2; ++d) {
    for (size_t i = 0; i < 8; ++i) {
      packed.tokens()[d * 8 + i] = alone.tokens()[d * 9 + i];
      packed.targets()[d * 8 + i] = alone.targets()[d * 8 + i];
      packed.documents()[d * 8 + i] = static_cast<i32>(d);
    }
  }
  packed.documents()[16] = 2;
  const StepResult want = run_step(ctx, model, alone);
  const StepResult got = run_step(ctx, model, packed, 0.0, 0, /*isolate=*/true);
  const StepResult mixed = run_step(ctx, model, packed, 0.0, 0, /*isolate=*/false);
  EXPECT_NEAR(got.stats.nll, want.stats.nll, 1e-5 * want.stats.nll);
  EXPECT_GT(std::abs(mixed.stats.nll - want.stats.nll), 1e-3 * want.stats.nll);
  for (const checkpoint::ParameterSlot& slot : model.layout().slots()) {
    EXPECT_LE(norm_error(part_of(got.gradients, slot), part_of(want.gradients, slot)), 1e-4)
        << slot.parameter.name;
  }
}

TEST(TrainingModel, ThreadsChangeNoBit) {
  const ModelConfig config = small_v3();
  const BatchData data(config, 3, 32);
  for (const TrainPrecision mode :
       {TrainPrecision::kF32, TrainPrecision::kBf16, TrainPrecision::kFp8}) {
    TrainingRecipe recipe;
    recipe.precision.mode = mode;
    std::vector<std::vector<float>> gradients;
    for (const int threads : {1, 2, 7}) {
      const testing::ScopedThreads scoped(threads);
      Ctx ctx = backend::make_context();
      TrainingModel model(ctx, config, recipe, 3, 32);
      randomise(ctx, model);
      gradients.push_back(run_step(ctx, model, data).gradients);
    }
    EXPECT_EQ(gradients[1], gradients[0]);
    EXPECT_EQ(gradients[2], gradients[0]);
  }
}

/// Choices that no rounding changes: biases further apart than scores can be.
void fix_choices(TrainingModel& model) {
  for (i64 layer = 0; layer < model.num_moe_layers(); ++layer) {
    const View<float, 1> bias = model.router_bias(layer);
    for (i64 e = 0; e < bias.dim(0); ++e) {
      bias(e) = 2.0f * static_cast<float>((3 * e + layer) % bias.dim(0));
    }
  }
}

// The choice of experts jumps, and a token that rounding sends elsewhere says nothing of the
// products: choices are fixed here.
TEST(TrainingModel, LowPrecisionStaysNearF32) {
  const testing::ScopedThreads one(1);
  ModelConfig config = small_v3();
  config.hidden_size = 128;
  config.intermediate_size = 192;
  config.moe_intermediate_size = 96;
  const BatchData data(config, 4, 32);
  for_each_isa([&](Ctx& ctx) {
    TrainingModel exact(ctx, config, f32_recipe(), 4, 32);
    randomise(ctx, exact, 0.06);
    fix_choices(exact);
    const StepResult want = run_step(ctx, exact, data);
    struct Case {
      TrainPrecision mode;
      bool recompute;
      double loss, cosine;
    };
    for (const Case& c : {Case{TrainPrecision::kBf16, true, 0.01, 0.99},
                          Case{TrainPrecision::kBf16, false, 0.01, 0.99},
                          Case{TrainPrecision::kFp8, true, 0.03, 0.97},
                          Case{TrainPrecision::kFp8, false, 0.03, 0.97}}) {
      TrainingRecipe recipe = with_recompute({}, c.recompute, c.recompute, c.recompute);
      recipe.precision.mode = c.mode;
      TrainingModel model(ctx, config, recipe, 4, 32);
      randomise(ctx, model, 0.06);
      fix_choices(model);
      const StepResult got = run_step(ctx, model, data);
      EXPECT_NEAR(got.stats.nll / want.stats.nll, 1.0, c.loss);
      EXPECT_GT(cosine(got.gradients, want.gradients), c.cosine);
      RecordProperty(
          std::string(ctx.isa_name()) + (c.mode == TrainPrecision::kFp8 ? "_fp8" : "_bf16"),
          std::to_string(cosine(got.gradients, want.gradients)));
    }
  });
}

TEST(TrainingModel, ForwardOnlyLeavesTheStepAlone) {
  const testing::ScopedThreads one(1);
  Ctx ctx = backend::make_context();
  const ModelConfig config = small_v3();
  TrainingRecipe recipe = f32_recipe();
  recipe.balance.capacity_factor = 0.5;
  TrainingModel model(ctx, config, recipe, 4, 16);
  randomise(ctx, model);
  const BatchData data(config, 4, 16);
  const StepResult step = run_step(ctx, model, data);
  StepStats stats(config);
  model.forward_only(ctx, data.batch(), stats);
  EXPECT_TRUE(std::ranges::equal(model.gradients(), step.gradients));
  EXPECT_EQ(stats.dropped, 0);  // nothing is dropped in evaluation
  EXPECT_GT(step.stats.dropped, 0);
  EXPECT_EQ(stats.targets, step.stats.targets);
  EXPECT_EQ(stats.balance_loss(), 0.0);
}

}  // namespace
}  // namespace fathom::model
