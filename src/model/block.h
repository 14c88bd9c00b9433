#pragma once
#include "model/attention/gqa.h"
#include "model/attention/mla.h"
#include "model/moe.h"

namespace fathom::model {

/// Weights of one decoder layer.
using BlockWeights = BlockParameters<MatRef, View<const float, 1>, ops::FfnWeights, MoeWeights>;

/// x += Attention(RMSNorm(x)); x += FFN(RMSNorm(x)).
/// Source: DeepSeek-V3 §2.1, figure 2; transformers' DecoderLayer.
///   x  [tokens, hidden]  f32  the residual stream, updated in place
/// `layer`: where its keys lie in the caches, and which one it is where experts are on ranks.
void block_forward(const StepContext& step, const BlockWeights& w, i64 layer, View<float, 2> x);

}  // namespace fathom::model
