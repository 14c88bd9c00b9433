#include "checkpoint/gguf/tensor_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"

namespace fathom::checkpoint {
namespace {

using NamePair = std::pair<std::string_view, std::string_view>;  // Hugging Face's, GGUF's

constexpr std::array<NamePair, 3> kOutsideLayers = {{
    {"model.embed_tokens.weight", "token_embd.weight"},
    {"model.norm.weight", "output_norm.weight"},
    {"lm_head.weight", "output.weight"},
}};

/// After "model.layers.N." and "blk.N.".
constexpr std::array<NamePair, 32> kInLayers = {{
    {"input_layernorm.weight", "attn_norm.weight"},
    {"post_attention_layernorm.weight", "ffn_norm.weight"},
    {"self_attn.q_proj.weight", "attn_q.weight"},
    {"self_attn.k_proj.weight", "attn_k.weight"},
    {"self_attn.v_proj.weight", "attn_v.weight"},
    {"self_attn.o_proj.weight", "attn_output.weight"},
    {"self_attn.q_proj.bias", "attn_q.bias"},
    {"self_attn.k_proj.bias", "attn_k.bias"},
    {"self_attn.v_proj.bias", "attn_v.bias"},
    {"self_attn.o_proj.bias", "attn_output.bias"},
    {"self_attn.q_norm.weight", "attn_q_norm.weight"},
    {"self_attn.k_norm.weight", "attn_k_norm.weight"},
    {"self_attn.q_a_proj.weight", "attn_q_a.weight"},
    {"self_attn.q_a_layernorm.weight", "attn_q_a_norm.weight"},
    {"self_attn.q_b_proj.weight", "attn_q_b.weight"},
    {"self_attn.kv_a_proj_with_mqa.weight", "attn_kv_a_mqa.weight"},
    {"self_attn.kv_a_layernorm.weight", "attn_kv_a_norm.weight"},
    {"self_attn.kv_b_proj.weight", "attn_kv_b.weight"},
    {"mlp.gate_proj.weight", "ffn_gate.weight"},
    {"mlp.up_proj.weight", "ffn_up.weight"},
    {"mlp.down_proj.weight", "ffn_down.weight"},
    {"mlp.gate.weight", "ffn_gate_inp.weight"},
    {"mlp.gate.e_score_correction_bias", "exp_probs_b.bias"},
    {"mlp.shared_experts.gate_proj.weight", "ffn_gate_shexp.weight"},
    {"mlp.shared_experts.up_proj.weight", "ffn_up_shexp.weight"},
    {"mlp.shared_experts.down_proj.weight", "ffn_down_shexp.weight"},
    {"embed_tokens.weight", "nextn.embed_tokens.weight"},
    {"enorm.weight", "nextn.enorm.weight"},
    {"hnorm.weight", "nextn.hnorm.weight"},
    {"eh_proj.weight", "nextn.eh_proj.weight"},
    {"shared_head.norm.weight", "nextn.shared_head_norm.weight"},
    {"shared_head.head.weight", "nextn.shared_head_head.weight"},
}};

template <size_t N>
std::string_view translated(const std::array<NamePair, N>& names, std::string_view name) {
  const auto at = std::ranges::find(names, name, &NamePair::first);
  FATHOM_CHECK(at != names.end(), "no GGUF name for ", name);
  return at->second;
}

/// "mlp.experts.17.up_proj.weight" -> "ffn_up_exps.weight".
std::string_view expert_tensor(std::string_view name) {
  if (name.ends_with("gate_proj.weight")) return "ffn_gate_exps.weight";
  if (name.ends_with("up_proj.weight")) return "ffn_up_exps.weight";
  return "ffn_down_exps.weight";
}

}  // namespace

GgufSource gguf_source(const ModelConfig& config, const Parameter& parameter, bool split_kv_b) {
  if (parameter.layer < 0)
    return {.tensor = std::string(translated(kOutsideLayers, parameter.name))};
  const std::string hf_prefix = fmt::format("model.layers.{}.", parameter.layer);
  const std::string prefix = fmt::format("blk.{}.", parameter.layer);
  FATHOM_CHECK(parameter.name.starts_with(hf_prefix), parameter.name, " is not in layer ",
               parameter.layer);
  const std::string_view name = std::string_view(parameter.name).substr(hf_prefix.size());
  if (parameter.expert >= 0) {
    return {.tensor = prefix + std::string(expert_tensor(name)), .form = GgufForm::kExpert};
  }
  if (split_kv_b && name == "self_attn.kv_b_proj.weight") {
    return {.tensor = prefix + "attn_k_b.weight",
            .form = GgufForm::kSplitKvB,
            .value_tensor = prefix + "attn_v_b.weight"};
  }
  GgufSource source{.tensor = prefix + std::string(translated(kInLayers, name))};
  const bool rotary =
      name.starts_with("self_attn.q_proj.") || name.starts_with("self_attn.k_proj.");
  if (config.architecture == Architecture::kLlama && rotary) {
    source.form = GgufForm::kRotaryPairs;
    source.head_dim = config.head_dim;
  }
  return source;
}

}  // namespace fathom::checkpoint
