#pragma once
#include <variant>

#include "model/gqa.h"
#include "model/mla.h"
#include "model/moe.h"

namespace fathom::model {

/// One decoder layer, non-owning.
struct BlockWeights {
  View<const float, 1> input_layernorm;  // [hidden]
  std::variant<MlaWeights, GqaWeights> self_attn;
  View<const float, 1> post_attention_layernorm;  // [hidden]  the feed-forward's pre-norm
  std::variant<ops::FfnWeights, MoeWeights> mlp;  // dense SwiGLU or experts
};

/// x += Attention(RMSNorm(x)); x += FFN(RMSNorm(x)).
/// Source: DeepSeek-V3 §2.1, figure 2; transformers' DecoderLayer.
///   x  [tokens, hidden]  f32  the residual stream, updated in place
/// `layer`: where its keys lie in the caches.
void block_forward(const StepContext& step, const BlockWeights& w, i64 layer, View<float, 2> x);

}  // namespace fathom::model
