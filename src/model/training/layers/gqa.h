#pragma once
#include "model/parameters/parameters.h"
#include "model/training/layers/linear.h"
#include "model/training/memory/storage_plan.h"

namespace fathom::model::training {

using TrainingGqaWeights = GqaParameters<const PackedLinear*, View<const float, 1>>;
using GqaGrads = GqaParameters<View<float, 2>, View<float, 1>>;

/// Queries and keys are saved rotated; with has_qk_norm() as they are before the norm, from which
/// the backward pass normalises and rotates them again.
struct GqaSaved {
  SavedMatrix q;       // [tokens, heads*head_dim]
  SavedMatrix k;       // [tokens, kv_heads*head_dim]
  SavedMatrix v;       // [tokens, kv_heads*head_dim]
  SavedMatrix attn;    // [tokens, heads*head_dim]
  View<float, 2> lse;  // [tokens, heads]
};
GqaSaved plan_gqa(const ModelConfig& config, const Precision& precision, i64 tokens,
                  StoragePlan& plan);

/// Gradients of the three projections' outputs.
struct GqaBackward {
  View<float, 3> dq;  // [tokens, heads, head_dim]
  View<float, 3> dk;  // [tokens, kv_heads, head_dim]
  View<float, 3> dv;  // [tokens, kv_heads, head_dim]
};
GqaBackward alloc_gqa_backward(const TrainStep& step, Workspace::Scope& scope);

/// u = W_O attention(RoPE(q), RoPE(k), v), q, k and v as model/attention/gqa.h says.
/// Source: Ainslie et al. 2023.
///   h, u  [tokens, hidden]  f32  u overwritten
void gqa_training_forward(const TrainStep& step, const TrainingGqaWeights& w,
                          View<const float, 2> h, View<float, 2> u, const GqaSaved& saved);
///   du, dh  [tokens, hidden]  dh OVERWRITTEN
/// The norms' gradients are added here.
void gqa_backward_input(const TrainStep& step, const TrainingGqaWeights& w, View<const float, 2> du,
                        const GqaSaved& saved, const GqaBackward& b, View<float, 2> dh,
                        const GqaGrads& grads);
void gqa_backward_weight(const TrainStep& step, const TrainingGqaWeights& w,
                         View<const float, 2> du, const ops::PackSource& h, const GqaSaved& saved,
                         const GqaBackward& b, const GqaGrads& grads);

}  // namespace fathom::model::training
