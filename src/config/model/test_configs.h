#pragma once
// Small model configs.
#include <string>
#include <vector>

#include "config/model/model_config.h"
#include "testing/golden_directory.h"

namespace fathom::testing {

/// The golden models; tests/golden/README.md says what each is for.
inline const std::vector<std::string>& golden_cases() {
  static const std::vector<std::string> kCases = {
      "v3",    "v3_masked_groups", "v2_lite",    "v2",    "moonlight",
      "llama", "llama_tied",       "llama_bias", "qwen2", "qwen2_tied",
      "qwen3", "qwen3_tied",       "fp8",        "mtp"};
  return kCases;
}

/// What the small V3-shaped configs share: 8 experts in groups, bias, a shared expert, a dense
/// first layer, one MTP module.
inline ModelConfig small_v3_experts() {
  ModelConfig config;
  config.n_routed_experts = 8;
  config.n_shared_experts = 1;
  config.num_experts_per_tok = 2;
  config.first_k_dense_replace = 1;
  config.n_group = 4;
  config.topk_group = 2;
  config.norm_topk_prob = true;
  config.routed_scaling_factor = 2.5f;
  config.scoring_func = ScoringFunc::kSigmoid;
  config.topk_method = TopkMethod::kNoauxTc;
  config.num_nextn_predict_layers = 1;
  return config;
}

/// V3-shaped with ragged blocks.
inline ModelConfig ragged_v3() {
  ModelConfig config = small_v3_experts();
  config.vocab_size = 300;
  config.hidden_size = 160;
  config.intermediate_size = 200;
  config.num_hidden_layers = 2;
  config.num_attention_heads = config.num_key_value_heads = 4;
  config.max_position_embeddings = 256;
  config.q_lora_rank = 136;
  config.kv_lora_rank = 64;
  config.qk_nope_head_dim = 32;
  config.qk_rope_head_dim = 16;
  config.v_head_dim = 32;
  config.moe_intermediate_size = 48;
  return config;
}

/// Small, with everything that V3 has: query compression, groups, bias, shared experts, one dense
/// and two MoE layers, one MTP module.
inline ModelConfig small_v3() {
  ModelConfig config = small_v3_experts();
  config.vocab_size = 96;
  config.hidden_size = 32;
  config.intermediate_size = 48;
  config.num_hidden_layers = 3;
  config.num_attention_heads = 2;
  config.num_key_value_heads = 2;
  config.max_position_embeddings = 64;
  config.q_lora_rank = 24;
  config.kv_lora_rank = 16;
  config.qk_nope_head_dim = 12;
  config.qk_rope_head_dim = 8;
  config.v_head_dim = 12;
  config.moe_intermediate_size = 20;
  return config;
}

}  // namespace fathom::testing
