// The passes of a stage, for pipelines; the whole model is one stage (training_model.cc).
#include <algorithm>

#include "model/training/training_model_impl.h"

namespace fathom::model {

std::span<const StageLayers> TrainingModel::stages() const { return impl_->stages; }

i64 TrainingModel::take_slot(Ctx& ctx, i64 stage, const TrainingBatch& batch) {
  const i64 number = impl_->take_slot(stage);
  impl_->set_inputs(ctx, impl_->slot(number), batch);
  return number;
}

void TrainingModel::free_slot(i64 number) {
  MicroBatchSlot& slot = impl_->slot(number);
  slot.kept_scope.reset();
  slot.taken = false;
}

i64 TrainingModel::slots_made(i64 stage) const {
  return std::ranges::count(impl_->slots, stage, [](const auto& slot) { return slot->stage; });
}

i64 TrainingModel::slot_tokens(i64 number) const {
  const TrainingBatch& batch = impl_->slot(number).batch;
  return batch.tokens.dim(0) * (batch.tokens.dim(1) - 1 - impl_->config.num_nextn_predict_layers);
}

View<float, 3> TrainingModel::arriving_embeddings(i64 number) {
  const View<float, 3> rows = impl_->slot(number).saved.embeddings;
  return rows.empty() ? rows : rows.slice(/*axis=*/1, 0, slot_tokens(number));
}

void TrainingModel::embed_for_head(Ctx& ctx, i64 number, View<float, 3> rows) {
  MicroBatchSlot& slot = impl_->slot(number);
  training::mtp_embeddings(impl_->step_of(ctx, slot), impl_->weights, slot.saved, rows);
}

void TrainingModel::stage_forward(Ctx& ctx, i64 number, View<float, 2> x, StepStats* stats,
                                  Dropping dropping) {
  MicroBatchSlot& slot = impl_->slot(number);
  const StageLayers& stage = impl_->stage_of(slot);
  training::TrainStep step = impl_->step_of(ctx, slot);
  step.stats = stats;
  step.drop_tokens = dropping == Dropping::kAsRecipe && impl_->recipe.balance.capacity_factor > 0.0;
  // Nobody has counted for the batch-wise loss: the step is this one micro-batch.
  const bool alone = stats != nullptr && impl_->has_batch_loss() && impl_->counted.back() == 0 &&
                     dropping == Dropping::kAsRecipe;
  if (stats == nullptr || alone) step.raw_counts = impl_->raw_count_view();
  if (alone) impl_->counted.back() = step.sequences;
  if (stats != nullptr && stage.embedding) stats->tokens += step.text_tokens();
  training::forward_pass(step, impl_->weights, stage, std::ssize(impl_->weights.mtp), x,
                         slot.saved);
}

void TrainingModel::stage_losses(Ctx& ctx, i64 number, StepStats& stats) {
  MicroBatchSlot& slot = impl_->slot(number);
  training::TrainStep step = impl_->step_of(ctx, slot);
  step.stats = &stats;
  training::head_losses(step, impl_->weights, slot.saved, /*dhidden=*/{}, /*dhead=*/{});
}

void TrainingModel::stage_backward(Ctx& ctx, i64 number, const LossScale& scale, StepStats& stats,
                                   View<float, 2> dx, View<float, 3> dembeddings,
                                   WeightWork weights) {
  Impl& m = *impl_;
  MicroBatchSlot& slot = m.slot(number);
  const StageLayers& stage = m.stage_of(slot);
  training::TrainStep step = m.step_of(ctx, slot);
  step.stats = &stats;
  step.scale = scale;
  if (m.part.backward_exchange != nullptr) step.exchange = m.part.backward_exchange;
  if (m.has_batch_loss()) {
    FATHOM_CHECK(static_cast<double>(m.counted.back()) == scale.sequences,
                 "count_experts has seen ", m.counted.back(), " of the step's ", scale.sequences,
                 " sequences");
    step.batch_counts = m.raw_count_view();
  }
  Workspace::Scope scratch(ctx.workspace());
  training::BackwardIo io{.dhidden = {}, .dx = dx, .dembeddings = dembeddings};
  if (stage.head) {
    io.dhidden = scratch.alloc<float>(1 + m.config.num_nextn_predict_layers, step.tokens(),
                                      m.config.hidden_size);
    training::head_losses(step, m.weights, slot.saved, io.dhidden, m.gradients.lm_head);
  }
  if (weights == WeightWork::kNow) {
    training::backward_pass(step, m.weights, stage, slot.saved, io, m.gradients);
    return;
  }
  slot.kept_scope.emplace(slot.kept);
  training::backward_pass_input(step, m.weights, stage, slot.saved, io, m.gradients,
                                *slot.kept_scope, slot.work);
}

void TrainingModel::stage_weights(Ctx& ctx, i64 number) {
  MicroBatchSlot& slot = impl_->slot(number);
  FATHOM_CHECK(slot.kept_scope.has_value(), "no weight work waits in slot ", number);
  training::backward_pass_weight(impl_->step_of(ctx, slot), impl_->weights, impl_->stage_of(slot),
                                 slot.saved, slot.work, impl_->gradients);
}

}  // namespace fathom::model
