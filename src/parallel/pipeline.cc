#include "parallel/pipeline.h"

#include <algorithm>

#include "base/check.h"
#include "base/parallel.h"

namespace fathom::parallel {
namespace {

using model::StageLayers;
using model::TrainingModel;

template <int R>
std::span<float> numbers(View<float, R> view) {
  FATHOM_CHECK(view.contiguous(), "rows that lie apart cannot be one message");
  return {view.data(), static_cast<size_t>(view.size())};
}

}  // namespace

Pipeline::Pipeline(Groups& groups, TrainingModel& model, bool overlap)
    : comm_(groups.pipeline()),
      layout_(groups.layout()),
      model_(model),
      overlap_(overlap),
      forward_carrier_(groups.pipeline()),
      backward_carrier_(groups.pipeline_backward()) {}

const plan::Schedule& Pipeline::schedule_for(i64 micro_batches) {
  if (!schedule_ || schedule_->micro_batches != micro_batches) {
    schedule_ = layout_.schedule_of(micro_batches);
  }
  const auto chunks = static_cast<size_t>(schedule_->chunks_per_rank());
  slots_.assign(chunks, std::vector<i64>(static_cast<size_t>(micro_batches), -1));
  return *schedule_;
}

plan::StagePlace Pipeline::place(const plan::Schedule& schedule, i64 chunk) const {
  return schedule.chunks[static_cast<size_t>(comm_.rank())][static_cast<size_t>(chunk)];
}

std::vector<i64> Pipeline::slots(i64 micro_batches) const {
  const plan::Schedule schedule = layout_.schedule_of(micro_batches);
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
  if (batches.trees != nullptr) batches.trees->begin(schedule.micro_batches_per_path());
  for (const plan::ScheduleOp& op : schedule.ops[static_cast<size_t>(comm_.rank())]) {
    traced(batches.trace, plan::to_string(op), [&] { run(pass, op); });
  }
  FATHOM_CHECK(pending_.empty(), pending_.size(), " weight gradients are left over");
  FATHOM_CHECK(batches.trees == nullptr || batches.trees->complete(), "gradients are left over");
  forward_carrier_.finish();
  backward_carrier_.finish();
}

void Pipeline::run(const Pass& pass, const plan::ScheduleOp& op) {
  using enum TrainingModel::WeightWork;
  const auto backward = [&](TrainingModel::WeightWork weights) {
    backward_chunk(pass, pass.ctx, op.chunk, slot_of(op.chunk, op.micro_batch), weights);
    end_backward(pass, op.chunk, op.micro_batch, weights);
  };
  switch (op.kind) {
    case plan::OpKind::kForward:
      return forward_chunk(pass, pass.ctx, op.chunk, take_slot(pass, op.chunk, op.micro_batch),
                           TrainingModel::Dropping::kAsRecipe);
    case plan::OpKind::kBackward:
      return backward(kNow);
    case plan::OpKind::kBackwardInput:
      return backward(kLater);
    case plan::OpKind::kBackwardWeight:
      return oldest_weights(pass);
    case plan::OpKind::kOverlapped:
      return run_pair(pass, op);
  }
}

void Pipeline::run_pair(const Pass& pass, const plan::ScheduleOp& op) {
  constexpr auto kNow = TrainingModel::WeightWork::kNow;
  const i64 slot = take_slot(pass, op.chunk, op.micro_batch);
  const i64 back = slot_of(op.backward_chunk, op.backward_micro_batch);
  const auto forward = [&](Ctx& ctx) {
    forward_chunk(pass, ctx, op.chunk, slot, TrainingModel::Dropping::kAsRecipe);
  };
  const auto backward = [&] { backward_chunk(pass, pass.ctx, op.backward_chunk, back, kNow); };
  if (overlap_) {
    if (side_ == nullptr) side_ = std::make_unique<SideThread>(num_threads());
    // Ops use as many of these as there are threads; the last one is nobody else's.
    Ctx& side_ctx = *pass.ctx.thread_contexts(num_threads() + 1).back();
    side_->both([&] { forward(side_ctx); }, backward);
  } else {
    forward(pass.ctx);
    backward();
  }
  end_backward(pass, op.backward_chunk, op.backward_micro_batch, kNow);
}

i64 Pipeline::number_of(const Pass& pass, i64 chunk, i64 micro_batch) const {
  return place(pass.schedule, chunk).path * pass.schedule.micro_batches_per_path() + micro_batch;
}

i64 Pipeline::take_slot(const Pass& pass, i64 chunk, i64 micro_batch) {
  const i64 slot =
      model_.take_slot(pass.ctx, chunk, pass.batches.batch(number_of(pass, chunk, micro_batch)));
  return slot_of(chunk, micro_batch) = slot;
}

void Pipeline::send_embeddings(const Pass& pass, Ctx& ctx, i64 slot, plan::StagePlace from) {
  const plan::StagePlace head{from.path, static_cast<i32>(pass.schedule.stages - 1)};
  const i64 modules = model_.config().num_nextn_predict_layers;
  if (modules == 0 || holder(pass.schedule, head) == comm_.rank()) return;
  if (pass.schedule.paths > 1) return;  // both ends of a DualPipe hold the embedding
  Workspace::Scope scratch(ctx.workspace());
  const auto rows =
      scratch.alloc<float>(modules, model_.slot_tokens(slot), model_.config().hidden_size);
  model_.embed_for_head(ctx, slot, rows);
  for (i64 k = 0; k < modules; ++k) {
    forward_carrier_.send(pass.schedule, Cargo::kEmbedding, head, numbers(rows[k]));
  }
}

void Pipeline::forward_chunk(const Pass& pass, Ctx& ctx, i64 chunk, i64 slot,
                             TrainingModel::Dropping dropping) {
  const StageLayers& stage = model_.stages()[static_cast<size_t>(chunk)];
  const plan::StagePlace at = place(pass.schedule, chunk);
  Carrier& carrier = forward_carrier_;
  Workspace::Scope scratch(ctx.workspace());
  const auto x = scratch.alloc<float>(model_.slot_tokens(slot), model_.config().hidden_size);
  if (stage.embedding) {
    send_embeddings(pass, ctx, slot, at);
  } else {
    carrier.receive(pass.schedule, Cargo::kActivation, {at.path, at.stage - 1}, at, numbers(x));
  }
  if (stage.embeddings_arrive) {
    const View<float, 3> rows = model_.arriving_embeddings(slot);
    for (i64 k = 0; k < rows.dim(0); ++k) {  // apart where the slot has room for more tokens
      carrier.receive(pass.schedule, Cargo::kEmbedding, {at.path, 0}, at, numbers(rows[k]));
    }
  }
  model_.stage_forward(ctx, slot, x, pass.stats, dropping);
  if (!stage.head) {
    carrier.send(pass.schedule, Cargo::kActivation, {at.path, at.stage + 1}, numbers(x));
  }
}

void Pipeline::backward_chunk(const Pass& pass, Ctx& ctx, i64 chunk, i64 slot,
                              TrainingModel::WeightWork weights) {
  const StageLayers& stage = model_.stages()[static_cast<size_t>(chunk)];
  const plan::StagePlace at = place(pass.schedule, chunk), first{at.path, 0};
  const plan::StagePlace head{at.path, static_cast<i32>(pass.schedule.stages - 1)};
  const i64 modules = model_.config().num_nextn_predict_layers;
  const i64 tokens = model_.slot_tokens(slot), width = model_.config().hidden_size;
  Carrier& carrier = backward_carrier_;
  Workspace::Scope scratch(ctx.workspace());
  const auto dx = scratch.alloc<float>(tokens, width);
  View<float, 3> dembeddings;
  if (modules > 0 && (stage.head || stage.embedding)) {
    dembeddings = scratch.alloc<float>(modules, tokens, width);
  }
  if (!stage.head) {
    carrier.receive(pass.schedule, Cargo::kGradient, {at.path, at.stage + 1}, at, numbers(dx));
    if (stage.embedding && modules > 0) {
      carrier.receive(pass.schedule, Cargo::kEmbeddingGradient, head, at, numbers(dembeddings));
    }
  }
  model_.stage_backward(ctx, slot, pass.scale, *pass.stats, dx, dembeddings, weights);
  if (stage.embedding) return;
  carrier.send(pass.schedule, Cargo::kGradient, {at.path, at.stage - 1}, numbers(dx));
  if (stage.head && modules > 0) {
    carrier.send(pass.schedule, Cargo::kEmbeddingGradient, first, numbers(dembeddings));
  }
}

void Pipeline::end_backward(const Pass& pass, i64 chunk, i64 micro_batch,
                            TrainingModel::WeightWork weights) {
  const i64 slot = slot_of(chunk, micro_batch);
  add_to_tree(pass, chunk, GradientTrees::kWithInput);
  if (weights == TrainingModel::WeightWork::kLater) {
    pending_.push_back({slot, chunk});
  } else {
    add_to_tree(pass, chunk, GradientTrees::kWithWeights);
    model_.free_slot(slot);
  }
  if (pass.batches.done) pass.batches.done(number_of(pass, chunk, micro_batch));
}

void Pipeline::oldest_weights(const Pass& pass) {
  FATHOM_CHECK(!pending_.empty(), "no weight gradients wait");
  const auto [slot, chunk] = pending_.front();
  pending_.pop_front();
  model_.stage_weights(pass.ctx, slot);
  add_to_tree(pass, chunk, GradientTrees::kWithWeights);
  model_.free_slot(slot);
}

void Pipeline::add_to_tree(const Pass& pass, i64 chunk, GradientTrees::Half half) {
  if (pass.batches.trees != nullptr) pass.batches.trees->add(chunk, half, model_.gradients());
}

void Pipeline::forward(Ctx& ctx, const MicroBatches& batches, model::StepStats* stats) {
  // Where the pieces are does not depend on how many there are; a DualPipe's second way idles.
  const plan::Schedule schedule = layout_.schedule_of(2 * comm_.size());
  const model::LossScale scale;
  const Pass pass{ctx, schedule, batches, scale, stats};
  const auto dropping =
      stats == nullptr ? TrainingModel::Dropping::kAsRecipe : TrainingModel::Dropping::kNone;
  const auto& chunks = schedule.chunks[static_cast<size_t>(comm_.rank())];
  for (i64 k = 0; k < batches.count; ++k) {
    for (i64 chunk = 0; chunk < std::ssize(chunks); ++chunk) {  // stages of a path rise with them
      if (chunks[static_cast<size_t>(chunk)].path != 0) continue;
      const i64 slot = model_.take_slot(ctx, chunk, batches.batch(k));
      forward_chunk(pass, ctx, chunk, slot, dropping);
      if (stats != nullptr && model_.stages()[static_cast<size_t>(chunk)].head) {
        model_.stage_losses(ctx, slot, *stats);
      }
      model_.free_slot(slot);
    }
  }
  forward_carrier_.finish();
}

}  // namespace fathom::parallel
