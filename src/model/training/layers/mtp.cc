#include "model/training/layers/mtp.h"

#include "model/training/memory/saved_activations.h"
#include "ops/elementwise/elementwise.h"
#include "ops/norm/rmsnorm.h"

namespace fathom::model::training {
namespace {

/// joined = [RMSNorm_e(embedding) ; RMSNorm_h(hidden)].
void join(const TrainStep& step, const TrainingMtpWeights& w, View<const float, 2> embedding,
          View<const float, 2> hidden, View<float, 2> joined, const MtpSaved& saved) {
  const i64 tokens = step.tokens(), width = hidden.dim(1);
  const float eps = step.config.rms_norm_eps;
  ops::rmsnorm_forward(step.ctx, embedding, w.enorm, eps, joined.slice(/*axis=*/1, 0, width),
                       saved.enorm_rstd.slice(0, 0, tokens));
  ops::rmsnorm_forward(step.ctx, hidden, w.hnorm, eps, joined.slice(/*axis=*/1, width, width),
                       saved.hnorm_rstd.slice(0, 0, tokens));
}

}  // namespace

MtpSaved plan_mtp(const PassShape& shape, i64 layer, i64 tokens, StoragePlan& plan) {
  const SavedFormat stream = shape.precision.stream();
  const i64 width = shape.config.hidden_size;
  MtpSaved saved;
  saved.enorm_rstd = plan.array<float>("norms' 1/rms", tokens);
  saved.hnorm_rstd = plan.array<float>("norms' 1/rms", tokens);
  if (!shape.recipe.recompute.norms) {
    saved.joined = plan.matrix("norm outputs", stream, tokens, 2 * width);
  }
  saved.block = plan_block(shape, layer, tokens, plan);
  saved.out = plan.matrix("residual stream", stream, tokens, width);
  saved.out_rstd = plan.array<float>("norms' 1/rms", tokens);
  return saved;
}

void mtp_training_forward(const TrainStep& step, const TrainingMtpWeights& w,
                          View<const float, 2> embedding, View<const float, 2> hidden,
                          View<float, 2> out, const MtpSaved& saved) {
  Ctx& ctx = step.ctx;
  const i64 tokens = step.tokens(), width = hidden.dim(1);
  {
    Workspace::Scope scratch(ctx.workspace());
    const auto joined = scratch.alloc<float>(tokens, 2 * width);
    join(step, w, embedding, hidden, joined, saved);
    save(step, joined, saved.joined);
    linear_training_forward(step, joined, *w.eh_proj, out);
  }
  block_training_forward(step, w.block, out, saved.block);
  save(step, out, saved.out);
  ops::rmsnorm_forward(ctx, out, w.shared_head_norm, step.config.rms_norm_eps, out,
                       saved.out_rstd.slice(0, 0, tokens));
}

void mtp_backward(const TrainStep& step, const TrainingMtpWeights& w,
                  View<const float, 2> embedding, View<const float, 2> hidden,
                  View<const float, 2> dout, const MtpSaved& saved, View<float, 2> dhidden,
                  const MtpGrads& grads, View<float, 2> dembedding) {
  Ctx& ctx = step.ctx;
  const i64 tokens = step.tokens(), width = hidden.dim(1);
  Workspace::Scope scratch(ctx.workspace());
  const auto dx = scratch.alloc<float>(tokens, width);
  {
    Workspace::Scope last(ctx.workspace());
    const auto out = last.alloc<float>(tokens, width);
    load(step, saved.out, out);
    ops::rmsnorm_backward(ctx, dout, out, w.shared_head_norm, saved.out_rstd.slice(0, 0, tokens),
                          dx, grads.shared_head_norm);
  }
  block_backward(step, w.block, saved.block, dx, grads.block);

  const auto joined = scratch.alloc<float>(tokens, 2 * width);
  if (saved.joined.empty()) join(step, w, embedding, hidden, joined, saved);
  linear_backward_weight(step, dx, *w.eh_proj, transposed_for_wgrad(saved.joined, joined),
                         grads.eh_proj);
  const auto djoined = joined;  // its last use is behind us
  linear_backward_input(step, dx, *w.eh_proj, djoined);
  ops::rmsnorm_backward(ctx, djoined.slice(/*axis=*/1, width, width), hidden, w.hnorm,
                        saved.hnorm_rstd.slice(0, 0, tokens), dhidden, grads.hnorm,
                        /*accumulate_dx=*/true);
  ops::rmsnorm_backward(ctx, djoined.slice(/*axis=*/1, 0, width), embedding, w.enorm,
                        saved.enorm_rstd.slice(0, 0, tokens), dembedding, grads.enorm);
}

}  // namespace fathom::model::training
