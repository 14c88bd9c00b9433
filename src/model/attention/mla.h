#pragma once
#include "model/parameters/parameters.h"
#include "model/step.h"
#include "tensor/mat_ref.h"

namespace fathom::model {

/// Weights of one Multi-head Latent Attention layer; storage belongs to model::Weights.
using MlaWeights = MlaParameters<MatRef, View<const float, 1>>;

/// Sizes of one head and of the latents, under the names of the formulas.
struct MlaDims {
  i64 heads, nope, rope, v, q_rank, rank;
  explicit MlaDims(const ModelConfig& c)
      : heads(c.num_attention_heads),
        nope(c.qk_nope_head_dim),
        rope(c.qk_rope_head_dim),
        v(c.v_head_dim),
        q_rank(c.q_lora_rank),
        rank(c.kv_lora_rank) {}
};

/// The form of MLA that costs fewer multiplications for `tokens` new tokens over a context of
/// `context` positions (the new ones included). Per head, with pairs = (query, key) pairs that the
/// causal mask leaves:
///   expanded  pairs * (nope + rope + v)                 + context * kv_lora_rank * (nope + v)
///   absorbed  pairs * (kv_lora_rank + rope + kv_lora_rank) + tokens * kv_lora_rank * (nope + v)
/// So decode and short appends are absorbed, a prefill from position 0 is expanded.
/// Source: DeepSeek-V3.2 report, appendix A (MHA mode and MQA mode).
MlaForm cheaper_mla_form(const ModelConfig& config, i64 tokens, i64 context);

/// u = MLA(h) over a packed batch; the latents of the new tokens are written to the caches, and all
/// keys and values are read back from there, so that both forms see the same rounding.
/// Source: DeepSeek-V3 §2.1.1, eqs (1)-(11); absorption V2 §2.1.2.
///   h  [tokens, hidden]  f32
///   u  [tokens, hidden]  f32  overwritten; must not alias h
/// `layer`: the cache's layer. Under Activations::kFp8 the absorbed products with kv_b_proj see
/// their input unrounded: they exist in no FP8 recipe.
void mla_forward(const StepContext& step, const MlaWeights& w, i64 layer, View<const float, 2> h,
                 View<float, 2> u);

}  // namespace fathom::model
