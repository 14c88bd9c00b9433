#include <fmt/format.h>

#include "checkpoint/check.h"

namespace fathom::checkpoint {
namespace {

std::string attention_rows(const ModelConfig& c, bool query) {
  if (!c.is_mla()) {
    return query ? fmt::format("num_attention_heads {} x head_dim {}", c.num_attention_heads,
                               c.head_dim)
                 : fmt::format("num_key_value_heads {} x head_dim {}", c.num_key_value_heads,
                               c.head_dim);
  }
  return fmt::format("num_attention_heads {} x (qk_nope_head_dim {} + qk_rope_head_dim {})",
                     c.num_attention_heads, c.qk_nope_head_dim, c.qk_rope_head_dim);
}

std::string ffn_width(const ModelConfig& c, std::string_view name) {
  if (name.find(".mlp.experts.") != name.npos) {
    return fmt::format("moe_intermediate_size {}", c.moe_intermediate_size);
  }
  if (name.find(".shared_experts.") != name.npos) {
    return fmt::format("n_shared_experts {} x moe_intermediate_size {}", c.n_shared_experts,
                       c.moe_intermediate_size);
  }
  return fmt::format("intermediate_size {}", c.intermediate_size);
}

}  // namespace

std::string shape_reason(const ModelConfig& c, std::string_view name) {
  const auto is = [name](std::string_view ending) { return name.ends_with(ending); };
  std::string hidden = fmt::format("hidden_size {}", c.hidden_size);
  std::string q_rank = fmt::format("q_lora_rank {}", c.q_lora_rank);
  std::string kv_rank = fmt::format("kv_lora_rank {}", c.kv_lora_rank);
  std::string experts = fmt::format("n_routed_experts {}", c.n_routed_experts);
  if (is("embed_tokens.weight") || is("lm_head.weight") || is("shared_head.head.weight")) {
    return fmt::format("vocab_size {}, {}", c.vocab_size, hidden);
  }
  if (is("q_a_proj.weight")) return q_rank + ", " + hidden;
  if (is("q_b_proj.weight")) return attention_rows(c, true) + ", " + q_rank;
  if (is("q_proj.weight")) return attention_rows(c, true) + ", " + hidden;
  if (is("q_proj.bias")) return attention_rows(c, true);
  if (is("k_proj.bias") || is("v_proj.bias")) return attention_rows(c, false);
  if (is("q_norm.weight") || is("k_norm.weight")) return fmt::format("head_dim {}", c.head_dim);
  if (is("k_proj.weight") || is("v_proj.weight")) return attention_rows(c, false) + ", " + hidden;
  if (is("kv_a_proj_with_mqa.weight")) {
    return fmt::format("{} + qk_rope_head_dim {}, {}", kv_rank, c.qk_rope_head_dim, hidden);
  }
  if (is("kv_b_proj.weight")) {
    return fmt::format("num_attention_heads {} x (qk_nope_head_dim {} + v_head_dim {}), {}",
                       c.num_attention_heads, c.qk_nope_head_dim, c.v_head_dim, kv_rank);
  }
  if (is("o_proj.weight")) {
    return c.is_mla() ? fmt::format("{}, num_attention_heads {} x v_head_dim {}", hidden,
                                    c.num_attention_heads, c.v_head_dim)
                      : fmt::format("{}, {}", hidden, attention_rows(c, true));
  }
  if (is("q_a_layernorm.weight")) return q_rank;
  if (is("kv_a_layernorm.weight")) return kv_rank;
  if (is("e_score_correction_bias")) return experts;
  if (is("mlp.gate.weight")) return experts + ", " + hidden;
  if (is("gate_proj.weight") || is("up_proj.weight")) return ffn_width(c, name) + ", " + hidden;
  if (is("down_proj.weight")) return hidden + ", " + ffn_width(c, name);
  if (is("eh_proj.weight")) return fmt::format("{}, 2 x {}", hidden, hidden);
  if (is("norm.weight") || is("o_proj.bias")) return hidden;
  return "";
}

}  // namespace fathom::checkpoint
