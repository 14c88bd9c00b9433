#pragma once
#include "model/parameters/parameters.h"
#include "model/step.h"
#include "ops/moe/moe.h"

namespace fathom::model {

/// Weights of one DeepSeekMoE layer.
using MoeWeights = MoeParameters<MatRef, View<const float, 1>, ops::FfnWeights>;

/// The router's rule of a config.
ops::RouterOptions router_options(const ModelConfig& config);

/// y = sum_s FFN_s(x) + sum_{i in top} g_i FFN_i(x). The residual is added outside; router logits
/// are f32 in every mode; the shared experts run ungated, at weight 1, on the rank of the tokens.
/// Source: DeepSeek-V3 §2.1.2, eqs (12)-(16); V2 §2.2.
///   layer  of the model, MTP modules' behind the main ones; for experts on other ranks
///   x  [tokens, hidden]  f32  after post_attention_layernorm
///   y  [tokens, hidden]  f32  overwritten; must not alias x
void moe_forward(const StepContext& step, const MoeWeights& w, i64 layer, View<const float, 2> x,
                 View<float, 2> y);

}  // namespace fathom::model
