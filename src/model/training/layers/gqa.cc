#include "model/training/layers/gqa.h"

#include "model/step.h"
#include "model/training/memory/saved_activations.h"
#include "ops/causal_attention/causal_attention.h"
#include "ops/elementwise/elementwise.h"
#include "ops/norm/rmsnorm.h"

namespace fathom::model::training {
namespace {

struct Dims {
  i64 heads, kv_heads, dim;
  explicit Dims(const ModelConfig& c)
      : heads(c.num_attention_heads), kv_heads(c.num_key_value_heads), dim(c.head_dim) {}
};

struct Heads {
  View<float, 3> q, k, v;
};

Heads alloc_heads(const TrainStep& step, Workspace::Scope& scope) {
  const Dims d(step.config);
  return {.q = scope.alloc<float>(step.tokens(), d.heads, d.dim),
          .k = scope.alloc<float>(step.tokens(), d.kv_heads, d.dim),
          .v = scope.alloc<float>(step.tokens(), d.kv_heads, d.dim)};
}

/// y = W h + bias; an empty bias adds nothing.
void project(const TrainStep& step, const ops::PackedMatrix& h, const PackedLinear& w,
             View<const float, 1> bias, View<float, 2> y) {
  linear_training_forward(step, h, w, y);
  if (!bias.empty()) ops::add_bias_inplace(step.ctx, y, bias);
}

/// What attention reads, from what was projected.
void normalise_and_rotate(const TrainStep& step, const TrainingGqaWeights& w, const Heads& heads) {
  if (!w.q_norm.empty()) {
    ops::rmsnorm_heads_inplace(step.ctx, heads.q, w.q_norm, step.config.rms_norm_eps);
    ops::rmsnorm_heads_inplace(step.ctx, heads.k, w.k_norm, step.config.rms_norm_eps);
  }
  ops::rope_forward_inplace(step.ctx, step.rope, heads.q);
  ops::rope_forward_inplace(step.ctx, step.rope, heads.k);
}

/// Queries, keys and values of the forward pass: the same bits.
void load_heads(const TrainStep& step, const TrainingGqaWeights& w, const GqaSaved& saved,
                const Heads& heads) {
  load(step, saved.q, heads.q.flatten());
  load(step, saved.k, heads.k.flatten());
  load(step, saved.v, heads.v.flatten());
  if (!w.q_norm.empty()) normalise_and_rotate(step, w, heads);
}

/// d, the gradient of normalised heads, becomes that of the heads `saved` before the norm.
void backward_head_norm(const TrainStep& step, View<const float, 1> weight,
                        const SavedMatrix& saved, View<float, 3> d, View<float, 1> dweight) {
  const i64 rows = d.dim(0) * d.dim(1), dim = d.dim(2);
  Workspace::Scope scratch(step.ctx.workspace());
  const auto x = scratch.alloc<float>(d.dim(0), d.dim(1), dim);
  const auto normed = scratch.alloc<float>(rows, dim);
  const auto rstd = scratch.alloc<float>(rows);
  load(step, saved, x.flatten());
  const View<const float, 2> x_rows(x.data(), {rows, dim});
  const View<float, 2> d_rows(d.data(), {rows, dim});
  ops::rmsnorm_forward(step.ctx, x_rows, weight, step.config.rms_norm_eps, normed, rstd);
  ops::rmsnorm_backward(step.ctx, d_rows, x_rows, weight, rstd, d_rows, dweight);
}

ops::CausalAttentionInputs attention_inputs(const TrainStep& step, const Heads& heads) {
  return {.q = heads.q,
          .k = heads.k,
          .q_rope = {},
          .k_rope = {},
          .v = heads.v,
          .first_key = step.first_key,
          .seq_len = step.seq_len,
          .scale = step.config.softmax_scale(),
          .bf16 = step.precision.bf16_attention()};
}

}  // namespace

GqaSaved plan_gqa(const ModelConfig& config, const Precision& precision, i64 tokens,
                  StoragePlan& plan) {
  const Dims d(config);
  const SavedFormat stream = precision.stream();
  return {.q = plan.matrix("queries of all heads", stream, tokens, d.heads * d.dim),
          .k = plan.matrix("keys and values of all heads", stream, tokens, d.kv_heads * d.dim),
          .v = plan.matrix("keys and values of all heads", stream, tokens, d.kv_heads * d.dim),
          .attn = plan.matrix("attention outputs", precision.attention_output(), tokens,
                              d.heads * d.dim),
          .lse = plan.array<float>("attention's log-sum-exp", tokens, d.heads)};
}

GqaBackward alloc_gqa_backward(const TrainStep& step, Workspace::Scope& scope) {
  const Heads gradients = alloc_heads(step, scope);
  return {.dq = gradients.q, .dk = gradients.k, .dv = gradients.v};
}

void gqa_training_forward(const TrainStep& step, const TrainingGqaWeights& w,
                          View<const float, 2> h, View<float, 2> u, const GqaSaved& saved) {
  Ctx& ctx = step.ctx;
  const Dims d(step.config);
  const i64 tokens = step.tokens();
  Workspace::Scope scratch(ctx.workspace());
  const Heads heads = alloc_heads(step, scratch);
  const auto attn = scratch.alloc<float>(tokens, d.heads, d.dim);
  const ops::PackedMatrix packed_h = pack_input(step, scratch, h, *w.q_proj);
  project(step, packed_h, *w.q_proj, w.q_proj_bias, heads.q.flatten());
  project(step, packed_h, *w.k_proj, w.k_proj_bias, heads.k.flatten());
  project(step, packed_h, *w.v_proj, w.v_proj_bias, heads.v.flatten());
  // A norm can be repeated in the backward pass, not undone.
  if (w.q_norm.empty()) normalise_and_rotate(step, w, heads);
  save_and_round(step, heads.q.flatten(), saved.q);
  save_and_round(step, heads.k.flatten(), saved.k);
  save_and_round(step, heads.v.flatten(), saved.v);
  if (!w.q_norm.empty()) normalise_and_rotate(step, w, heads);
  ops::causal_attention_forward(ctx, attention_inputs(step, heads), attn,
                                saved.lse.slice(0, 0, tokens));
  save(step, attn.flatten(), saved.attn);
  linear_training_forward(step, attn.flatten(), *w.o_proj, u);
  if (!w.o_proj_bias.empty()) ops::add_bias_inplace(ctx, u, w.o_proj_bias);
}

void gqa_backward_input(const TrainStep& step, const TrainingGqaWeights& w, View<const float, 2> du,
                        const GqaSaved& saved, const GqaBackward& b, View<float, 2> dh,
                        const GqaGrads& grads) {
  Ctx& ctx = step.ctx;
  const Dims d(step.config);
  const i64 tokens = step.tokens();
  {
    Workspace::Scope scratch(ctx.workspace());
    const Heads heads = alloc_heads(step, scratch);
    const auto attn = scratch.alloc<float>(tokens, d.heads, d.dim);
    const auto dattn = scratch.alloc<float>(tokens, d.heads, d.dim);
    // Of every query head; those that share a key head are summed behind.
    const auto dk = scratch.alloc<float>(tokens, d.heads, d.dim);
    const auto dv = scratch.alloc<float>(tokens, d.heads, d.dim);
    load_heads(step, w, saved, heads);
    load(step, saved.attn, attn.flatten());
    linear_backward_input(step, du, *w.o_proj, dattn.flatten());
    ops::causal_attention_backward(ctx, attention_inputs(step, heads), attn,
                                   saved.lse.slice(0, 0, tokens), dattn,
                                   {.dq = b.dq, .dk = dk, .dq_rope = {}, .dk_rope = {}, .dv = dv});
    ops::sum_heads(ctx, dk, b.dk);
    ops::sum_heads(ctx, dv, b.dv);
  }
  ops::rope_backward_inplace(ctx, step.rope, b.dq);
  ops::rope_backward_inplace(ctx, step.rope, b.dk);
  if (!w.q_norm.empty()) {
    backward_head_norm(step, w.q_norm, saved.q, b.dq, grads.q_norm);
    backward_head_norm(step, w.k_norm, saved.k, b.dk, grads.k_norm);
  }
  linear_backward_input(step, b.dv.flatten(), *w.v_proj, dh);
  linear_backward_input(step, b.dk.flatten(), *w.k_proj, dh, Into::kAccumulate);
  linear_backward_input(step, b.dq.flatten(), *w.q_proj, dh, Into::kAccumulate);
}

void gqa_backward_weight(const TrainStep& step, const TrainingGqaWeights& w,
                         View<const float, 2> du, const ops::PackSource& h, const GqaSaved& saved,
                         const GqaBackward& b, const GqaGrads& grads) {
  linear_backward_weight(step, du, *w.o_proj, transposed_for_wgrad(saved.attn, step.tokens()),
                         grads.o_proj);
  linear_backward_weight(step, b.dv.flatten(), *w.v_proj, h, grads.v_proj);
  linear_backward_weight(step, b.dk.flatten(), *w.k_proj, h, grads.k_proj);
  linear_backward_weight(step, b.dq.flatten(), *w.q_proj, h, grads.q_proj);
  if (!grads.q_proj_bias.empty()) {
    ops::add_bias_backward(step.ctx, b.dq.flatten(), grads.q_proj_bias);
    ops::add_bias_backward(step.ctx, b.dk.flatten(), grads.k_proj_bias);
    ops::add_bias_backward(step.ctx, b.dv.flatten(), grads.v_proj_bias);
  }
  if (!grads.o_proj_bias.empty()) ops::add_bias_backward(step.ctx, du, grads.o_proj_bias);
}

}  // namespace fathom::model::training
