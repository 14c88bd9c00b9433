// Steady-state decoding and training allocate nothing.
#include "backend/backend.h"
#include "model/test_support.h"
#include "model/training/training_test_support.h"
#include "testing/count_allocations.h"

namespace fathom::model {
namespace {

using testing::num_allocations;
using Allocation = testing::CountsAllocations;

/// 20 steps of two sequences after 3 steps of warming up; `mtp`: drafts with the MTP module too.
void decode(Ctx& ctx, const Model& model, const RunOptions& options, ops::CacheDType dtype,
            bool mtp) {
  std::vector<KvCache> caches;
  caches.reserve(2);
  for (int i = 0; i < 2; ++i) caches.emplace_back(model.config(), dtype, 64, mtp ? 1 : 0);
  std::vector<i32> next = {1, 2};
  Tensor<float> logits = new_logits(model, 2), draft = new_logits(model, 2);
  Tensor<float> hidden({2, model.config().hidden_size});
  const std::vector<SequenceStep> steps = {{.token_ids = {&next[0], 1}, .cache = &caches[0]},
                                           {.token_ids = {&next[1], 1}, .cache = &caches[1]}};
  std::vector<MtpStep> drafts(2);
  const i64 vocab = model.config().vocab_size;
  i64 before = 0, workspace_before = 0;
  for (i64 i = 0; i < 23; ++i) {
    if (i == 3) {
      before = num_allocations;
      workspace_before = ctx.workspace().capacity_bytes();
    }
    model.forward(ctx, steps, options, logits.v<2>(), hidden.v<2>());
    for (size_t s = 0; s < 2; ++s) {
      const float* row = logits.v<2>().row(static_cast<i64>(s));
      next[s] = argmax({row, static_cast<size_t>(vocab)});
      drafts[s] = {.next_tokens = {&next[s], 1}, .positions_begin = i, .cache = &caches[s]};
    }
    if (mtp) model.mtp_forward(ctx, drafts, options, hidden.v<2>(), draft.v<2>());
  }
  EXPECT_EQ(num_allocations - before, 0);
  EXPECT_EQ(ctx.workspace().capacity_bytes(), workspace_before);
}

TEST_F(Allocation, SteadyDecodingAllocatesNothing) {
  using enum ops::Activations;
  for (const std::string& name : golden_cases()) {
    SCOPED_TRACE(name);
    const Golden golden(name);
    for (const ops::Activations activations : {kF32, kBf16, kFp8}) {
      for (const MlaForm form : {MlaForm::kAuto, MlaForm::kExpanded}) {
        for (const auto dtype : {ops::CacheDType::kBf16, ops::CacheDType::kFp8}) {
          Ctx ctx = backend::make_context();
          decode(ctx, golden.model(), {.activations = activations, .mla_form = form}, dtype,
                 golden.model().num_mtp() > 0);
        }
      }
    }
  }
}

/// The same for training: a step of two micro-batches, with everything on.
TEST_F(Allocation, WarmTrainingStepsAllocateNothing) {
  const ModelConfig config = small_v3();
  const BatchData data(config, 4, 16);
  for (const TrainPrecision mode :
       {TrainPrecision::kF32, TrainPrecision::kBf16, TrainPrecision::kFp8}) {
    TrainingRecipe recipe;
    recipe.precision.mode = mode;
    recipe.balance.batch_aux_loss_weight = 0.1;
    recipe.balance.expert_aux_loss_weight = 0.1;
    recipe.balance.capacity_factor = 1.0;
    Ctx ctx = backend::make_context();
    TrainingModel model(ctx, config, recipe, 2, 16);
    randomise(ctx, model);
    StepStats stats(config);
    const LossScale scale{.targets = 64, .sequences = 4, .mtp_weight = 0.3};
    i64 before = 0, workspace_before = 0;
    for (i64 step = 0; step < 5; ++step) {
      if (step == 3) {
        before = num_allocations;
        workspace_before = ctx.workspace().capacity_bytes();
      }
      stats.clear();
      model.begin_step(ctx);
      for (i64 s = 0; s < 4; s += 2) model.count_experts(ctx, data.batch(s, 2));
      for (i64 s = 0; s < 4; s += 2) model.forward_backward(ctx, data.batch(s, 2), scale, stats);
      model.forward_only(ctx, data.batch(0, 2), stats);
    }
    EXPECT_EQ(num_allocations - before, 0);
    EXPECT_EQ(ctx.workspace().capacity_bytes(), workspace_before);
  }
}

}  // namespace
}  // namespace fathom::model
