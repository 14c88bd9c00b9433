#include "model/training/layers/gqa.h"

#include "model/step.h"
#include "model/training/memory/saved_activations.h"
#include "ops/causal_attention/causal_attention.h"

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
  linear_training_forward(step, packed_h, *w.q_proj, heads.q.flatten());
  linear_training_forward(step, packed_h, *w.k_proj, heads.k.flatten());
  linear_training_forward(step, packed_h, *w.v_proj, heads.v.flatten());
  ops::rope_forward_inplace(ctx, step.rope, heads.q);
  ops::rope_forward_inplace(ctx, step.rope, heads.k);
  save_and_round(step, heads.q.flatten(), saved.q);
  save_and_round(step, heads.k.flatten(), saved.k);
  save_and_round(step, heads.v.flatten(), saved.v);
  ops::causal_attention_forward(ctx, attention_inputs(step, heads), attn,
                                saved.lse.slice(0, 0, tokens));
  save(step, attn.flatten(), saved.attn);
  linear_training_forward(step, attn.flatten(), *w.o_proj, u);
}

void gqa_backward_input(const TrainStep& step, const TrainingGqaWeights& w, View<const float, 2> du,
                        const GqaSaved& saved, const GqaBackward& b, View<float, 2> dh) {
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
    load(step, saved.q, heads.q.flatten());
    load(step, saved.k, heads.k.flatten());
    load(step, saved.v, heads.v.flatten());
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
}

}  // namespace fathom::model::training
