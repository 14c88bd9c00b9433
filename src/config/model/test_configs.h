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
      "v3", "v3_masked_groups", "v2_lite", "v2", "moonlight", "llama", "llama_tied", "fp8", "mtp"};
  return kCases;
}

/// V3-shaped with ragged blocks, one MTP module.
inline ModelConfig ragged_v3() {
  ModelConfig config;
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
  config.n_routed_experts = 8;
  config.n_shared_experts = 1;
  config.num_experts_per_tok = 2;
  config.moe_intermediate_size = 48;
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

/// Small, with everything that V3 has: query compression, groups, bias, shared experts, one dense
/// and two MoE layers, one MTP module.
inline ModelConfig small_v3() {
  ModelConfig c;
  c.vocab_size = 96;
  c.hidden_size = 32;
  c.intermediate_size = 48;
  c.num_hidden_layers = 3;
  c.num_attention_heads = 2;
  c.num_key_value_heads = 2;
  c.max_position_embeddings = 64;
  c.q_lora_rank = 24;
  c.kv_lora_rank = 16;
  c.qk_nope_head_dim = 12;
  c.qk_rope_head_dim = 8;
  c.v_head_dim = 12;
  c.n_routed_experts = 8;
  c.n_shared_experts = 1;
  c.num_experts_per_tok = 2;
  c.moe_intermediate_size = 20;
  c.first_k_dense_replace = 1;
  c.n_group = 4;
  c.topk_group = 2;
  c.norm_topk_prob = true;
  c.routed_scaling_factor = 2.5f;
  c.scoring_func = ScoringFunc::kSigmoid;
  c.topk_method = TopkMethod::kNoauxTc;
  c.num_nextn_predict_layers = 1;
  return c;
}

}  // namespace fathom::testing
