#include "config/model/model_config_fields.h"

#include <array>

namespace fathom {
namespace {

using C = ModelConfig;
using enum Presence;

// Caps are far above any model and low enough that products of a few of them stay inside i64;
// model_config_validate.cc bounds the whole.
constexpr double kMaxLayers = 1 << 12;
constexpr double kMaxHeads = 1 << 14;
constexpr double kMaxHeadDim = 1 << 14;
constexpr double kMaxWidth = 1 << 20;
constexpr double kMaxExperts = 1 << 14;
constexpr double kMaxVocab = 1 << 24;
constexpr double kMaxPositions = 1 << 30;
constexpr double kTiny = 1e-30;

// What transformers' Qwen2Config and Qwen3Config take for absent keys, whatever the other sizes.
constexpr i64 kQwenKeyValueHeads = 32;
constexpr i64 kQwen3HeadDim = 128;

constexpr std::array kFields = {
    ModelConfigField{"attention_bias", &C::attention_bias, kForAll - kForQwen2, kOptional, 0, 0,
                     "biases in the attention's linear layers; only false is supported in MLA"},
    ModelConfigField{"bos_token_id", &C::bos_token_id, kForAll, kOptional, -1, kMaxVocab,
                     "token id that begins a text"},
    ModelConfigField{"first_k_dense_replace", &C::first_k_dense_replace, kForMla, kRequired, 0,
                     kMaxLayers, "how many of the first layers have a dense FFN"},
    ModelConfigField{"head_dim", &C::head_dim, kForGqa, kOptional, 1, kMaxHeadDim,
                     "width of an attention head; default hidden_size / num_attention_heads, "
                     "Qwen3: 128"},
    ModelConfigField{"hidden_act", &C::hidden_act, kForAll, kOptional, 0, 0,
                     "activation of the FFN; only silu is supported"},
    ModelConfigField{"hidden_size", &C::hidden_size, kForAll, kRequired, 1, kMaxWidth,
                     "d: width of the residual stream"},
    ModelConfigField{"initializer_range", &C::initializer_range, kForAll, kOptional, 0, 1e3,
                     "standard deviation of fresh weights"},
    ModelConfigField{"intermediate_size", &C::intermediate_size, kForAll, kRequired, 1, kMaxWidth,
                     "width of the dense FFN"},
    ModelConfigField{"kv_lora_rank", &C::kv_lora_rank, kForMla, kRequired, 1, kMaxWidth,
                     "d_c: width of the key-value latent"},
    ModelConfigField{"max_position_embeddings", &C::max_position_embeddings, kForAll, kRequired, 1,
                     kMaxPositions, "longest context in tokens"},
    ModelConfigField{"mlp_bias", &C::mlp_bias, kForMla + kForLlama, kOptional, 0, 0,
                     "biases in the FFN's linear layers; only false is supported"},
    ModelConfigField{"moe_intermediate_size", &C::moe_intermediate_size, kForMla, kOptional, 0,
                     kMaxWidth, "width of one expert"},
    ModelConfigField{"moe_layer_freq", &C::moe_layer_freq, kForMla, kOptional, 1, kMaxLayers,
                     "every how many layers one has experts"},
    ModelConfigField{"n_group", &C::n_group, kForMla, kOptional, 1, kMaxExperts,
                     "groups the routed experts are divided into"},
    ModelConfigField{"n_routed_experts", &C::n_routed_experts, kForMla, kRequiredOrNull, 0,
                     kMaxExperts, "N_r: routed experts a layer; null: dense everywhere"},
    ModelConfigField{"n_shared_experts", &C::n_shared_experts, kForMla, kOptional, 0, kMaxExperts,
                     "N_s: shared experts a layer"},
    ModelConfigField{"norm_topk_prob", &C::norm_topk_prob, kForMla, kOptional, 0, 0,
                     "divide the chosen experts' weights by their sum"},
    ModelConfigField{"num_attention_heads", &C::num_attention_heads, kForAll, kRequired, 1,
                     kMaxHeads, "n_h: attention heads"},
    ModelConfigField{"num_experts_per_tok", &C::num_experts_per_tok, kForMla, kOptional, 0,
                     kMaxExperts, "K_r: routed experts a token uses"},
    ModelConfigField{"num_hidden_layers", &C::num_hidden_layers, kForAll, kRequired, 1, kMaxLayers,
                     "L: main layers, MTP not counted"},
    ModelConfigField{"num_key_value_heads", &C::num_key_value_heads, kForAll, kOptional, 1,
                     kMaxHeads, "key and value heads (GQA); default num_attention_heads, Qwen: 32"},
    ModelConfigField{"num_nextn_predict_layers", &C::num_nextn_predict_layers, kForDeepseekV3,
                     kOptional, 0, kMaxLayers, "D: multi-token prediction modules"},
    ModelConfigField{"pad_token_id", &C::pad_token_id, kForAll, kOptional, -1, kMaxVocab,
                     "token id of padding; not used"},
    ModelConfigField{"q_lora_rank", &C::q_lora_rank, kForMla, kRequiredOrNull, 0, kMaxWidth,
                     "d_c': width of the query latent; null: queries are not compressed"},
    ModelConfigField{"qk_nope_head_dim", &C::qk_nope_head_dim, kForMla, kRequired, 1, kMaxHeadDim,
                     "d_h: channels of a query or key head without position"},
    ModelConfigField{"qk_rope_head_dim", &C::qk_rope_head_dim, kForMla, kRequired, 2, kMaxHeadDim,
                     "d_h^R: rotated channels of a query head and of the shared key"},
    ModelConfigField{"rms_norm_eps", &C::rms_norm_eps, kForAll, kOptional, kTiny, 1,
                     "epsilon of the residual stream's norms (latent norms: 1e-6)"},
    ModelConfigField{"rope_interleave", &C::rope_interleave, kForDeepseekV3, kOptional, 0, 0,
                     "rotated channels are stored as neighbouring pairs"},
    ModelConfigField{"routed_scaling_factor", &C::routed_scaling_factor, kForMla, kOptional, kTiny,
                     1e6, "factor on the routed experts' weights"},
    ModelConfigField{"scoring_func", &C::scoring_func, kForMla, kOptional, 0, 0,
                     "router scores: sigmoid (V3) or softmax (V2)"},
    ModelConfigField{"tie_word_embeddings", &C::tie_word_embeddings, kForAll, kOptional, 0, 0,
                     "the head is the embedding's matrix"},
    ModelConfigField{"topk_group", &C::topk_group, kForMla, kOptional, 1, kMaxExperts,
                     "groups a token may use"},
    ModelConfigField{"topk_method", &C::topk_method, kForMla, kOptional, 0, 0,
                     "how experts are chosen: noaux_tc (V3), greedy or group_limited_greedy (V2)"},
    ModelConfigField{"v_head_dim", &C::v_head_dim, kForMla, kRequired, 1, kMaxHeadDim,
                     "channels of a value head"},
    ModelConfigField{"vocab_size", &C::vocab_size, kForAll, kRequired, 1, kMaxVocab,
                     "V: rows of the embedding and of the head"},
};

}  // namespace

unsigned architecture_bit(Architecture architecture) {
  switch (architecture) {
    case Architecture::kDeepseekV3:
      return kForDeepseekV3;
    case Architecture::kDeepseekV2:
      return kForDeepseekV2;
    case Architecture::kQwen2:
      return kForQwen2;
    case Architecture::kQwen3:
      return kForQwen3;
    case Architecture::kLlama:
      break;
  }
  return kForLlama;
}

std::span<const ModelConfigField> model_config_fields() { return kFields; }

ModelConfig default_model_config(Architecture architecture) {
  ModelConfig config;
  config.architecture = architecture;
  switch (architecture) {
    case Architecture::kDeepseekV3:
      config.model_type = "deepseek_v3";
      config.scoring_func = ScoringFunc::kSigmoid;
      config.topk_method = TopkMethod::kNoauxTc;
      config.norm_topk_prob = true;
      break;
    case Architecture::kDeepseekV2:
      config.model_type = "deepseek_v2";
      break;
    case Architecture::kLlama:
      config.model_type = "llama";
      config.rope_interleave = false;
      break;
    case Architecture::kQwen2:
      config.model_type = "qwen2";
      config.rope_interleave = false;
      config.num_key_value_heads = kQwenKeyValueHeads;
      break;
    case Architecture::kQwen3:
      config.model_type = "qwen3";
      config.rope_interleave = false;
      config.num_key_value_heads = kQwenKeyValueHeads;
      config.head_dim = kQwen3HeadDim;
      break;
  }
  return config;
}

}  // namespace fathom
