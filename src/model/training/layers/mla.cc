#include "model/training/layers/mla.h"

#include "model/attention/mla.h"
#include "model/step.h"
#include "model/training/memory/saved_activations.h"
#include "ops/causal_attention/causal_attention.h"
#include "ops/norm/rmsnorm.h"

namespace fathom::model::training {
namespace {

/// Queries, keys and values of all heads as attention reads them.
///   q  [tokens, heads, nope+rope]  kv  [tokens, heads, nope+v]  kv_a  [tokens, rank+rope]
ops::CausalAttentionInputs attention_inputs(const TrainStep& step, View<const float, 3> q,
                                            View<const float, 3> kv, View<const float, 2> kv_a) {
  const MlaDims d(step.config);
  return {.q = q.slice(/*axis=*/2, 0, d.nope),
          .k = kv.slice(/*axis=*/2, 0, d.nope),
          .q_rope = q.slice(/*axis=*/2, d.nope, d.rope),
          .k_rope = as_heads(kv_a.slice(/*axis=*/1, d.rank, d.rope), 1),
          .v = kv.slice(/*axis=*/2, d.nope, d.v),
          .first_key = step.first_key,
          .seq_len = step.seq_len,
          .scale = step.config.softmax_scale(),
          .bf16 = step.precision.bf16_attention()};
}

/// q = W^UQ q_latent, rotated. Eqs (7)-(9).
void up_project_queries(const TrainStep& step, const PackedLinear& w, View<const float, 2> latent,
                        View<float, 3> q) {
  const MlaDims d(step.config);
  linear_training_forward(step, latent, w, q.flatten());
  ops::rope_forward_inplace(step.ctx, step.rope, q.slice(/*axis=*/2, d.nope, d.rope));
}

/// Eqs (6)-(9).
void forward_queries(const TrainStep& step, const TrainingMlaWeights& w, const ops::PackedMatrix& h,
                     View<float, 3> q, const MlaSaved& saved) {
  const MlaDims d(step.config);
  if (w.q_a_proj == nullptr) {
    linear_training_forward(step, h, *w.q_proj, q.flatten());
    ops::rope_forward_inplace(step.ctx, step.rope, q.slice(/*axis=*/2, d.nope, d.rope));
  } else {
    Workspace::Scope scratch(step.ctx.workspace());
    const auto q_a = scratch.alloc<float>(step.tokens(), d.q_rank);
    linear_training_forward(step, h, *w.q_a_proj, q_a);
    save_and_round(step, q_a, saved.q_a);
    ops::rmsnorm_forward(step.ctx, q_a, w.q_a_layernorm, kLatentNormEps, q_a,
                         saved.q_a_rstd.slice(0, 0, step.tokens()));
    save(step, q_a, saved.q_latent);
    up_project_queries(step, *w.q_b_proj, q_a, q);
  }
  if (!saved.q.empty()) save_and_round(step, q.flatten(), saved.q);
}

/// Eqs (1)-(5).  kv_a [tokens, rank+rope] overwritten: before the norm, rope part rotated.
void forward_keys(const TrainStep& step, const TrainingMlaWeights& w, const ops::PackedMatrix& h,
                  View<float, 2> kv_a, View<float, 3> kv, const MlaSaved& saved) {
  const MlaDims d(step.config);
  Workspace::Scope scratch(step.ctx.workspace());
  const auto latent = scratch.alloc<float>(step.tokens(), d.rank);
  linear_training_forward(step, h, *w.kv_a_proj_with_mqa, kv_a);
  ops::rope_forward_inplace(step.ctx, step.rope,
                            as_heads(kv_a.slice(/*axis=*/1, d.rank, d.rope), 1));
  save_and_round(step, kv_a, saved.kv_a);
  ops::rmsnorm_forward(step.ctx, kv_a.slice(/*axis=*/1, 0, d.rank), w.kv_a_layernorm,
                       kLatentNormEps, latent, saved.kv_a_rstd.slice(0, 0, step.tokens()));
  save(step, latent, saved.kv_latent);
  linear_training_forward(step, latent, *w.kv_b_proj, kv.flatten());
  if (!saved.kv.empty()) save_and_round(step, kv.flatten(), saved.kv);
}

/// Queries of the forward pass, recomputed from what was saved: the same bits.
///   q_a  [tokens, q_lora_rank]  before the norm, overwritten
void recompute_queries(const TrainStep& step, const TrainingMlaWeights& w, const MlaSaved& saved,
                       View<float, 2> q_a, View<float, 2> q_latent, View<float, 3> q) {
  if (w.q_a_proj != nullptr) {
    load(step, saved.q_a, q_a);
    if (saved.q_latent.empty() || saved.q.empty()) {
      ops::rmsnorm_forward(step.ctx, q_a, w.q_a_layernorm, kLatentNormEps, q_latent);
    }
  }
  if (saved.q.empty()) {
    up_project_queries(step, *w.q_b_proj, q_latent, q);
  } else {
    load(step, saved.q, q.flatten());
  }
}

/// Keys and values likewise.
void recompute_keys(const TrainStep& step, const TrainingMlaWeights& w, const MlaSaved& saved,
                    View<float, 2> kv_a, View<float, 2> kv_latent, View<float, 3> kv) {
  load(step, saved.kv_a, kv_a);
  if (saved.kv_latent.empty() || saved.kv.empty()) {
    ops::rmsnorm_forward(step.ctx, kv_a.slice(/*axis=*/1, 0, kv_latent.dim(1)), w.kv_a_layernorm,
                         kLatentNormEps, kv_latent);
  }
  if (saved.kv.empty()) {
    linear_training_forward(step, kv_latent, *w.kv_b_proj, kv.flatten());
  } else {
    load(step, saved.kv, kv.flatten());
  }
}

/// From du to the gradients of q, kv and the rotated key, the latter in dkv_a's rope part.
///   kv_a  [tokens, rank+rope]  as saved
void backward_attention(const TrainStep& step, const TrainingMlaWeights& w, View<const float, 2> du,
                        const MlaSaved& saved, View<const float, 3> q, View<const float, 3> kv,
                        View<const float, 2> kv_a, const MlaBackward& b) {
  Ctx& ctx = step.ctx;
  const MlaDims d(step.config);
  const i64 tokens = step.tokens();
  Workspace::Scope scratch(ctx.workspace());
  const auto attn = scratch.alloc<float>(tokens, d.heads, d.v);
  const auto dattn = scratch.alloc<float>(tokens, d.heads, d.v);
  const auto dk_rope = scratch.alloc<float>(tokens, d.heads, d.rope);
  load(step, saved.attn, attn.flatten());
  linear_backward_input(step, du, *w.o_proj, dattn.flatten());  // eq. (11)
  ops::causal_attention_backward(ctx, attention_inputs(step, q, kv, kv_a), attn,
                                 saved.lse.slice(0, 0, tokens), dattn,
                                 {.dq = b.dq.slice(/*axis=*/2, 0, d.nope),
                                  .dk = b.dkv.slice(/*axis=*/2, 0, d.nope),
                                  .dq_rope = b.dq.slice(/*axis=*/2, d.nope, d.rope),
                                  .dk_rope = dk_rope,
                                  .dv = b.dkv.slice(/*axis=*/2, d.nope, d.v)});
  const auto dshared_key = as_heads(b.dkv_a.slice(/*axis=*/1, d.rank, d.rope), 1);
  ops::sum_heads(ctx, dk_rope, dshared_key);
  ops::rope_backward_inplace(ctx, step.rope, dshared_key);
  ops::rope_backward_inplace(ctx, step.rope, b.dq.slice(/*axis=*/2, d.nope, d.rope));
}

}  // namespace

MlaSaved plan_mla(const ModelConfig& config, const RecomputeConfig& recompute,
                  const Precision& precision, i64 tokens, StoragePlan& plan) {
  const MlaDims d(config);
  const SavedFormat stream = precision.stream();
  const i64 q_width = d.heads * (d.nope + d.rope), kv_width = d.heads * (d.nope + d.v);
  MlaSaved saved;
  if (d.q_rank > 0) {
    saved.q_a = plan.matrix("MLA latents before their norm", stream, tokens, d.q_rank);
    saved.q_a_rstd = plan.array<float>("norms' 1/rms", tokens);
    if (!recompute.norms) {
      saved.q_latent =
          plan.matrix("MLA latents after their norm", precision.linear_input(), tokens, d.q_rank);
    }
  }
  saved.kv_a = plan.matrix("MLA latents before their norm", stream, tokens, d.rank + d.rope);
  saved.kv_a_rstd = plan.array<float>("norms' 1/rms", tokens);
  if (!recompute.norms) {
    saved.kv_latent =
        plan.matrix("MLA latents after their norm", precision.linear_input(), tokens, d.rank);
  }
  if (d.q_rank == 0 || !recompute.mla_up_projections) {
    saved.q = plan.matrix("queries of all heads", stream, tokens, q_width);
  }
  if (!recompute.mla_up_projections) {
    saved.kv = plan.matrix("keys and values of all heads", stream, tokens, kv_width);
  }
  saved.attn =
      plan.matrix("attention outputs", precision.attention_output(), tokens, d.heads * d.v);
  saved.lse = plan.array<float>("attention's log-sum-exp", tokens, d.heads);
  return saved;
}

MlaBackward alloc_mla_backward(const TrainStep& step, Workspace::Scope& scope) {
  const MlaDims d(step.config);
  const i64 tokens = step.tokens();
  MlaBackward b;
  if (d.q_rank > 0) {
    b.q_latent = scope.alloc<float>(tokens, d.q_rank);
    b.dq_a = scope.alloc<float>(tokens, d.q_rank);
  }
  b.kv_latent = scope.alloc<float>(tokens, d.rank);
  b.dq = scope.alloc<float>(tokens, d.heads, d.nope + d.rope);
  b.dkv = scope.alloc<float>(tokens, d.heads, d.nope + d.v);
  b.dkv_a = scope.alloc<float>(tokens, d.rank + d.rope);
  return b;
}

void mla_training_forward(const TrainStep& step, const TrainingMlaWeights& w,
                          View<const float, 2> h, View<float, 2> u, const MlaSaved& saved) {
  const MlaDims d(step.config);
  const i64 tokens = step.tokens();
  Workspace::Scope scratch(step.ctx.workspace());
  const auto q = scratch.alloc<float>(tokens, d.heads, d.nope + d.rope);
  const auto kv_a = scratch.alloc<float>(tokens, d.rank + d.rope);
  const auto kv = scratch.alloc<float>(tokens, d.heads, d.nope + d.v);
  const auto attn = scratch.alloc<float>(tokens, d.heads, d.v);
  const ops::PackedMatrix packed_h = pack_input(step, scratch, h, *w.kv_a_proj_with_mqa);
  forward_queries(step, w, packed_h, q, saved);
  forward_keys(step, w, packed_h, kv_a, kv, saved);
  ops::causal_attention_forward(step.ctx, attention_inputs(step, q, kv, kv_a), attn,
                                saved.lse.slice(0, 0, tokens));
  save(step, attn.flatten(), saved.attn);
  linear_training_forward(step, attn.flatten(), *w.o_proj, u);  // eq. (11)
}

void mla_backward_input(const TrainStep& step, const TrainingMlaWeights& w, View<const float, 2> du,
                        const MlaSaved& saved, const MlaBackward& b, View<float, 2> dh,
                        const MlaGrads& grads) {
  Ctx& ctx = step.ctx;
  const MlaDims d(step.config);
  const i64 tokens = step.tokens();
  Workspace::Scope scratch(ctx.workspace());
  const auto q_a = scratch.alloc<float>(tokens, d.q_rank);
  const auto kv_a = scratch.alloc<float>(tokens, d.rank + d.rope);
  {
    Workspace::Scope heads(ctx.workspace());
    const auto q = heads.alloc<float>(tokens, d.heads, d.nope + d.rope);
    const auto kv = heads.alloc<float>(tokens, d.heads, d.nope + d.v);
    recompute_queries(step, w, saved, q_a, b.q_latent, q);
    recompute_keys(step, w, saved, kv_a, b.kv_latent, kv);
    backward_attention(step, w, du, saved, q, kv, kv_a, b);
  }
  // Keys and values, eqs (5) to (1): the latent's part of dkv_a joins the rotated key's.
  const auto dkv_latent = scratch.alloc<float>(tokens, d.rank);
  linear_backward_input(step, b.dkv.flatten(), *w.kv_b_proj, dkv_latent);
  ops::rmsnorm_backward(ctx, dkv_latent, kv_a.slice(/*axis=*/1, 0, d.rank), w.kv_a_layernorm,
                        saved.kv_a_rstd.slice(0, 0, tokens), b.dkv_a.slice(/*axis=*/1, 0, d.rank),
                        grads.kv_a_layernorm);
  linear_backward_input(step, b.dkv_a, *w.kv_a_proj_with_mqa, dh);
  // Queries, eqs (9) to (6).
  if (w.q_a_proj == nullptr) {
    linear_backward_input(step, b.dq.flatten(), *w.q_proj, dh, Into::kAccumulate);
    return;
  }
  const auto dq_latent = scratch.alloc<float>(tokens, d.q_rank);
  linear_backward_input(step, b.dq.flatten(), *w.q_b_proj, dq_latent);
  ops::rmsnorm_backward(ctx, dq_latent, q_a, w.q_a_layernorm, saved.q_a_rstd.slice(0, 0, tokens),
                        b.dq_a, grads.q_a_layernorm);
  linear_backward_input(step, b.dq_a, *w.q_a_proj, dh, Into::kAccumulate);
}

void mla_backward_weight(const TrainStep& step, const TrainingMlaWeights& w,
                         View<const float, 2> du, const ops::PackSource& h, const MlaSaved& saved,
                         const MlaBackward& b, const MlaGrads& grads) {
  linear_backward_weight(step, du, *w.o_proj, transposed_for_wgrad(saved.attn, step.tokens()),
                         grads.o_proj);
  linear_backward_weight(step, b.dkv.flatten(), *w.kv_b_proj,
                         transposed_for_wgrad(saved.kv_latent, b.kv_latent), grads.kv_b_proj);
  linear_backward_weight(step, b.dkv_a, *w.kv_a_proj_with_mqa, h, grads.kv_a_proj_with_mqa);
  if (w.q_a_proj == nullptr) {
    linear_backward_weight(step, b.dq.flatten(), *w.q_proj, h, grads.q_proj);
    return;
  }
  linear_backward_weight(step, b.dq.flatten(), *w.q_b_proj,
                         transposed_for_wgrad(saved.q_latent, b.q_latent), grads.q_b_proj);
  linear_backward_weight(step, b.dq_a, *w.q_a_proj, h, grads.q_a_proj);
}

}  // namespace fathom::model::training
