#pragma once
#include "model/parameters/parameters.h"
#include "model/training/layers/linear.h"
#include "model/training/memory/storage_plan.h"

namespace fathom::model::training {

using TrainingGqaWeights = GqaParameters<const PackedLinear*>;
using GqaGrads = GqaParameters<View<float, 2>>;

struct GqaSaved {
  SavedMatrix q;       // [tokens, heads*head_dim]        rotated
  SavedMatrix k;       // [tokens, kv_heads*head_dim]     rotated
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

/// u = W_O attention(RoPE(W_Q h), RoPE(W_K h), W_V h). Source: Ainslie et al. 2023.
///   h, u  [tokens, hidden]  f32  u overwritten
void gqa_training_forward(const TrainStep& step, const TrainingGqaWeights& w,
                          View<const float, 2> h, View<float, 2> u, const GqaSaved& saved);
///   du, dh  [tokens, hidden]  dh OVERWRITTEN
void gqa_backward_input(const TrainStep& step, const TrainingGqaWeights& w, View<const float, 2> du,
                        const GqaSaved& saved, const GqaBackward& b, View<float, 2> dh);
void gqa_backward_weight(const TrainStep& step, const TrainingGqaWeights& w,
                         View<const float, 2> du, const ops::PackSource& h, const GqaSaved& saved,
                         const GqaBackward& b, const GqaGrads& grads);

}  // namespace fathom::model::training
