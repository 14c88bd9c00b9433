#include "parallel/pipeline.h"

#include <algorithm>

#include "base/check.h"

namespace fathom::parallel {
namespace {

using model::StageLayers;
using model::TrainingModel;

template <int R>
std::span<float> numbers(View<float, R> view) {
  return {view.data(), static_cast<size_t>(view.size())};
}

i64 tokens_of(const model::TrainingBatch& batch, const ModelConfig& config) {
  return batch.tokens.dim(0) * (batch.tokens.dim(1) - 1 - config.num_nextn_predict_layers);
}

}  // namespace

Pipeline::Pipeline(comm::Comm& pipeline, plan::ScheduleKind kind, TrainingModel& model)
    : comm_(pipeline), kind_(kind), model_(model), carrier_(pipeline) {}

const plan::Schedule& Pipeline::schedule_for(i64 micro_batches) {
  if (!schedule_ || schedule_->micro_batches != micro_batches) {
    schedule_ = plan::make_schedule(kind_, comm_.size(), micro_batches);
  }
  const auto chunks = static_cast<size_t>(schedule_->chunks_per_rank());
  slots_.assign(chunks, std::vector<i64>(static_cast<size_t>(micro_batches), -1));
  return *schedule_;
}

plan::StagePlace Pipeline::place(const plan::Schedule& schedule, i64 chunk) const {
  return schedule.chunks[static_cast<size_t>(comm_.rank())][static_cast<size_t>(chunk)];
}

std::vector<i64> Pipeline::slots(i64 micro_batches) const {
  const plan::Schedule schedule = plan::make_schedule(kind_, comm_.size(), micro_batches);
  const auto chunks = static_cast<size_t>(schedule.chunks_per_rank());
  std::vector<i64> now(chunks), most(chunks);
  std::deque<i32> waiting;
  const auto leave = [&](i32 chunk) { --now[static_cast<size_t>(chunk)]; };
  for (const plan::ScheduleOp& op : schedule.ops[static_cast<size_t>(comm_.rank())]) {
    const auto chunk = static_cast<size_t>(op.chunk);
    if (op.kind == plan::OpKind::kForward || op.kind == plan::OpKind::kOverlapped) {
      most[chunk] = std::max(most[chunk], ++now[chunk]);
    }
    if (op.kind == plan::OpKind::kOverlapped) leave(op.backward_chunk);
    if (op.kind == plan::OpKind::kBackward) leave(op.chunk);
    if (op.kind == plan::OpKind::kBackwardInput) waiting.push_back(op.chunk);
    if (op.kind != plan::OpKind::kBackwardWeight) continue;
    leave(waiting.front());
    waiting.pop_front();
  }
  return most;
}

i64& Pipeline::slot_of(i64 chunk, i64 micro_batch) {
  return slots_[static_cast<size_t>(chunk)][static_cast<size_t>(micro_batch)];
}

void Pipeline::step(Ctx& ctx, const MicroBatches& batches, const model::LossScale& scale,
                    model::StepStats& stats) {
  if (batches.count == 0) return;
  const plan::Schedule& schedule = schedule_for(batches.count);
  const Pass pass{ctx, schedule, batches, scale, &stats};
  for (const plan::ScheduleOp& op : schedule.ops[static_cast<size_t>(comm_.rank())]) {
    traced(batches.trace, plan::to_string(op), [&] { run(pass, op); });
  }
  FATHOM_CHECK(pending_.empty(), pending_.size(), " weight gradients are left over");
  carrier_.finish();
}

void Pipeline::run(const Pass& pass, const plan::ScheduleOp& op) {
  using enum TrainingModel::WeightWork;
  constexpr auto kDropping = TrainingModel::Dropping::kAsRecipe;
  switch (op.kind) {
    case plan::OpKind::kForward:
      slot_of(op.chunk, op.micro_batch) =
          forward_chunk(pass, op.chunk, op.micro_batch, kDropping);
      return;
    case plan::OpKind::kBackward:
      return backward_chunk(pass, op.chunk, op.micro_batch, kNow);
    case plan::OpKind::kBackwardInput:
      return backward_chunk(pass, op.chunk, op.micro_batch, kLater);
    case plan::OpKind::kBackwardWeight:
      return oldest_weights(pass);
    case plan::OpKind::kOverlapped:
      slot_of(op.chunk, op.micro_batch) =
          forward_chunk(pass, op.chunk, op.micro_batch, kDropping);
      return backward_chunk(pass, op.backward_chunk, op.backward_micro_batch, kNow);
  }
}

void Pipeline::send_embeddings(const Pass& pass, i64 slot, plan::StagePlace from, i64 tokens) {
  const plan::StagePlace head{from.path, static_cast<i32>(pass.schedule.stages - 1)};
  const plan::StagePlace first{from.path, 0};
  const i64 modules = model_.config().num_nextn_predict_layers;
  if (modules == 0 || holder(pass.schedule, head) == holder(pass.schedule, first)) return;
  if (pass.schedule.paths > 1) return;  // both ends of a DualPipe hold the embedding
  Workspace::Scope scratch(pass.ctx.workspace());
  const auto rows = scratch.alloc<float>(modules, tokens, model_.config().hidden_size);
  model_.embed_for_head(pass.ctx, slot, rows);
  carrier_.send(pass.schedule, Cargo::kEmbedding, head, numbers(rows));
}

i64 Pipeline::forward_chunk(const Pass& pass, i64 chunk, i64 micro_batch,
                            TrainingModel::Dropping dropping) {
  const StageLayers& stage = model_.stages()[static_cast<size_t>(chunk)];
  const plan::StagePlace at = place(pass.schedule, chunk);
  const i64 number = at.path * pass.schedule.micro_batches_per_path() + micro_batch;
  const model::TrainingBatch batch = pass.batches.batch(number);
  const i64 tokens = tokens_of(batch, model_.config());
  const i64 slot = model_.take_slot(pass.ctx, chunk, batch);
  Workspace::Scope scratch(pass.ctx.workspace());
  const auto x = scratch.alloc<float>(tokens, model_.config().hidden_size);
  if (stage.embedding) send_embeddings(pass, slot, at, tokens);
  if (!stage.embedding) {
    carrier_.receive(pass.schedule, Cargo::kActivation, {at.path, at.stage - 1}, at, numbers(x));
  }
  if (stage.embeddings_arrive) {
    carrier_.receive(pass.schedule, Cargo::kEmbedding, {at.path, 0}, at,
                     numbers(model_.arriving_embeddings(slot)));
  }
  model_.stage_forward(pass.ctx, slot, x, pass.stats, dropping);
  if (!stage.head) {
    carrier_.send(pass.schedule, Cargo::kActivation, {at.path, at.stage + 1}, numbers(x));
  }
  return slot;
}

void Pipeline::backward_chunk(const Pass& pass, i64 chunk, i64 micro_batch,
                              TrainingModel::WeightWork weights) {
  const StageLayers& stage = model_.stages()[static_cast<size_t>(chunk)];
  const plan::StagePlace at = place(pass.schedule, chunk), first{at.path, 0};
  const plan::StagePlace head{at.path, static_cast<i32>(pass.schedule.stages - 1)};
  const i64 number = at.path * pass.schedule.micro_batches_per_path() + micro_batch;
  const i64 modules = model_.config().num_nextn_predict_layers;
  const i64 tokens = tokens_of(pass.batches.batch(number), model_.config());
  const i64 slot = slot_of(chunk, micro_batch), width = model_.config().hidden_size;
  Workspace::Scope scratch(pass.ctx.workspace());
  const auto dx = scratch.alloc<float>(tokens, width);
  View<float, 3> dembeddings;
  if (modules > 0 && (stage.head || stage.embedding)) {
    dembeddings = scratch.alloc<float>(modules, tokens, width);
  }
  if (!stage.head) {
    carrier_.receive(pass.schedule, Cargo::kGradient, {at.path, at.stage + 1}, at, numbers(dx));
    if (stage.embedding && modules > 0) {
      carrier_.receive(pass.schedule, Cargo::kEmbeddingGradient, head, at, numbers(dembeddings));
    }
  }
  model_.stage_backward(pass.ctx, slot, pass.scale, *pass.stats, dx, dembeddings, weights);
  if (!stage.embedding) {
    carrier_.send(pass.schedule, Cargo::kGradient, {at.path, at.stage - 1}, numbers(dx));
    if (stage.head && modules > 0) {
      carrier_.send(pass.schedule, Cargo::kEmbeddingGradient, first, numbers(dembeddings));
    }
  }
  if (weights == TrainingModel::WeightWork::kLater) {
    pending_.push_back(slot);
  } else {
    model_.free_slot(slot);
  }
  if (pass.batches.done) pass.batches.done(number);
}

void Pipeline::oldest_weights(const Pass& pass) {
  FATHOM_CHECK(!pending_.empty(), "no weight gradients wait");
  model_.stage_weights(pass.ctx, pending_.front());
  model_.free_slot(pending_.front());
  pending_.pop_front();
}

void Pipeline::forward(Ctx& ctx, const MicroBatches& batches, model::StepStats* stats) {
  // Where the pieces are does not depend on how many there are; a DualPipe's second way idles.
  const plan::Schedule schedule = plan::make_schedule(
      kind_, comm_.size(), 2 * comm_.size());
  const model::LossScale scale;
  const Pass pass{ctx, schedule, batches, scale, stats};
  const auto dropping = stats == nullptr ? TrainingModel::Dropping::kAsRecipe
                                         : TrainingModel::Dropping::kNone;
  const auto& chunks = schedule.chunks[static_cast<size_t>(comm_.rank())];
  for (i64 k = 0; k < batches.count; ++k) {
    for (i64 chunk = 0; chunk < std::ssize(chunks); ++chunk) {  // stages of a path rise with them
      if (chunks[static_cast<size_t>(chunk)].path != 0) continue;
      const i64 slot = forward_chunk(pass, chunk, k, dropping);
      if (stats != nullptr && model_.stages()[static_cast<size_t>(chunk)].head) {
        model_.stage_losses(ctx, slot, *stats);
      }
      model_.free_slot(slot);
    }
  }
  carrier_.finish();
}

}  // namespace fathom::parallel
