#pragma once
#include "model/step.h"
#include "tensor/mat_ref.h"

namespace fathom::model {

/// Weights of one Multi-head Latent Attention layer, [out, in] row-major. Non-owning: storage
/// belongs to model::Weights. Names are the checkpoint's; paper symbols on the right.
struct MlaWeights {
  MatRef q_proj;                        // [heads*(nope+rope), hidden]        W^Q; if no q_lora_rank
  MatRef q_a_proj;                      // [q_lora_rank, hidden]              W^DQ
  View<const float, 1> q_a_layernorm;   // [q_lora_rank]                      §4.2
  MatRef q_b_proj;                      // [heads*(nope+rope), q_lora_rank]   W^UQ ; W^QR
  MatRef kv_a_proj_with_mqa;            // [kv_lora_rank+rope, hidden]        W^DKV ; W^KR
  View<const float, 1> kv_a_layernorm;  // [kv_lora_rank]                     §4.2
  MatRef kv_b_proj;                     // [heads*(nope+v), kv_lora_rank]     W^UK ; W^UV, by head
  MatRef o_proj;                        // [hidden, heads*v]                  W^O
};

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
/// So decode and short appends are absorbed, a prompt from position 0 is expanded.
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
