#pragma once
#include "model/parameters/parameters.h"
#include "model/training/layers/linear.h"
#include "model/training/memory/storage_plan.h"

namespace fathom::model::training {

using TrainingMlaWeights = MlaParameters<const PackedLinear*, View<const float, 1>>;
using MlaGrads = MlaParameters<View<float, 2>, View<float, 1>>;

/// What backward needs. Empty where it is recomputed (DeepSeek-V3 §3.2.3).
struct MlaSaved {
  SavedMatrix q_a;          // [tokens, q_lora_rank]        before q_a_layernorm
  View<float, 1> q_a_rstd;  // [tokens]
  SavedMatrix q_latent;     // [tokens, q_lora_rank]        after it; recompute.norms off
  SavedMatrix q;            // [tokens, heads*(nope+rope)]  rotated; no q_lora_rank, or
                            //                              recompute.mla_up_projections off
  SavedMatrix kv_a;         // [tokens, kv_lora_rank+rope]  before kv_a_layernorm; rope part rotated
  View<float, 1> kv_a_rstd;  // [tokens]
  SavedMatrix kv_latent;     // [tokens, kv_lora_rank]       after it; recompute.norms off
  SavedMatrix kv;            // [tokens, heads*(nope+v)]     recompute.mla_up_projections off
  SavedMatrix attn;          // [tokens, heads*v]            o_t,i of eq. (10)
  View<float, 2> lse;        // [tokens, heads]
};
MlaSaved plan_mla(const ModelConfig& config, const RecomputeConfig& recompute,
                  const Precision& precision, i64 tokens, StoragePlan& plan);

/// What both halves of the backward pass share: activations recomputed, gradients of the Linears'
/// outputs.
struct MlaBackward {
  View<float, 2> q_latent;   // [tokens, q_lora_rank]       empty: no query latent
  View<float, 2> kv_latent;  // [tokens, kv_lora_rank]
  View<float, 3> dq;         // [tokens, heads, nope+rope]  of q_proj or q_b_proj
  View<float, 2> dq_a;       // [tokens, q_lora_rank]       empty: no query latent
  View<float, 3> dkv;        // [tokens, heads, nope+v]     of kv_b_proj
  View<float, 2> dkv_a;      // [tokens, kv_lora_rank+rope]
};
MlaBackward alloc_mla_backward(const TrainStep& step, Workspace::Scope& scope);

/// u = MLA(h), causal within each sequence. Source: DeepSeek-V3 §2.1.1, eqs (1)-(11); the same
/// numbers as model/mla.h's expanded form.
///   h, u  [tokens, hidden]  f32  u overwritten
void mla_training_forward(const TrainStep& step, const TrainingMlaWeights& w,
                          View<const float, 2> h, View<float, 2> u, const MlaSaved& saved);
///   du  [tokens, hidden];  dh  [tokens, hidden]  OVERWRITTEN
/// grads: only the norms' are accumulated.
void mla_backward_input(const TrainStep& step, const TrainingMlaWeights& w, View<const float, 2> du,
                        const MlaSaved& saved, const MlaBackward& b, View<float, 2> dh,
                        const MlaGrads& grads);
///   h  the layer's input, transposed for wgrad; grads of the matrices ACCUMULATED
void mla_backward_weight(const TrainStep& step, const TrainingMlaWeights& w,
                         View<const float, 2> du, const ops::PackSource& h, const MlaSaved& saved,
                         const MlaBackward& b, const MlaGrads& grads);

}  // namespace fathom::model::training
