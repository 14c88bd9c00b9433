#pragma once
#include "model/parameters/parameters.h"
#include "model/step.h"
#include "tensor/mat_ref.h"

namespace fathom::model {

/// Weights of one multi-head attention layer with grouped keys and values.
using GqaWeights = GqaParameters<MatRef, View<const float, 1>>;

/// u = softmax(head_dim^-0.5 RoPE(q) RoPE(k)^T) v, then W_O, causal, over a packed batch, where
/// q = W_Q h, k = W_K h, v = W_V h; plus their biases (Qwen2); q and k normalised head by head
/// (Qwen3). Keys (rotated) and values of the new tokens are written to the caches and read back.
/// Source: Ainslie et al. 2023 (GQA); transformers' LlamaAttention, Qwen2Attention, Qwen3Attention.
///   h  [tokens, hidden]  f32
///   u  [tokens, hidden]  f32  overwritten; must not alias h
void gqa_forward(const StepContext& step, const GqaWeights& w, i64 layer, View<const float, 2> h,
                 View<float, 2> u);

}  // namespace fathom::model
