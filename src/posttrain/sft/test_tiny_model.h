#pragma once
// For tests: models of two layers, in the shape of DeepSeek-V3 or of Llama.
#include "config/model/model_config.h"

namespace fathom::posttrain {

inline constexpr const char* kTinyExperts = R"({
  "architectures": ["DeepseekV3ForCausalLM"], "model_type": "deepseek_v3",
  "vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "moe_intermediate_size": 16,
  "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2,
  "q_lora_rank": 24, "kv_lora_rank": 16, "qk_nope_head_dim": 8, "qk_rope_head_dim": 8,
  "v_head_dim": 8, "n_routed_experts": 4, "n_shared_experts": 1, "num_experts_per_tok": 2,
  "n_group": 1, "topk_group": 1, "norm_topk_prob": true, "routed_scaling_factor": 2.5,
  "scoring_func": "sigmoid", "topk_method": "noaux_tc", "first_k_dense_replace": 1,
  "moe_layer_freq": 1, "num_nextn_predict_layers": 1, "hidden_act": "silu",
  "max_position_embeddings": 128, "rms_norm_eps": 1e-06, "rope_theta": 10000.0,
  "rope_interleave": true, "tie_word_embeddings": false, "attention_bias": false,
  "bos_token_id": 0, "eos_token_id": 1, "torch_dtype": "float32"
})";

inline constexpr const char* kTinyDense = R"({
  "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 64,
  "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
  "num_key_value_heads": 1, "head_dim": 16, "max_position_embeddings": 128, "rms_norm_eps": 1e-06,
  "rope_theta": 10000.0, "tie_word_embeddings": false, "attention_bias": false, "mlp_bias": false,
  "hidden_act": "silu", "bos_token_id": 0, "eos_token_id": 1, "torch_dtype": "float32"
})";

inline ModelConfig tiny_model(bool has_experts) {
  return value_or_throw(parse_model_config(has_experts ? kTinyExperts : kTinyDense));
}

}  // namespace fathom::posttrain
