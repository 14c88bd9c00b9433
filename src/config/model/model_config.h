#pragma once
// What a model is: the checkpoint's config.json, field for field under its published names.
// One field list (model_config_fields.h) drives load, save, range checks and documentation.
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.h"
#include "base/error.h"
#include "base/routing.h"
#include "base/types.h"

namespace fathom {

/// Which forward pass. By `architectures[0]` / `model_type`:
///   kDeepseekV3  DeepseekV3ForCausalLM: V3, R1, V3.1, Moonlight, Kimi-K2
///   kDeepseekV2  DeepseekV2ForCausalLM: V2, V2.5, V2-Lite, Coder-V2
///   kLlama       LlamaForCausalLM: dense MHA/GQA (R1-Distill-Llama)
///   kQwen2       Qwen2ForCausalLM: as Llama, with biases on q, k and v (Qwen2.5, R1-Distill-Qwen)
///   kQwen3       Qwen3ForCausalLM: as Llama, with norms of query and key heads (R1-0528-Qwen3)
enum class Architecture { kDeepseekV3, kDeepseekV2, kLlama, kQwen2, kQwen3 };
enum class RopeType { kYarn, kLlama3, kLinear };

/// config.json `rope_scaling` (transformers 5: inside `rope_parameters`).
struct RopeScaling {
  RopeType type = RopeType::kYarn;
  double factor = 1.0;
  i64 original_max_position_embeddings = 0;
  // yarn
  double beta_fast = 32.0;
  double beta_slow = 1.0;
  double mscale = 0.0;                          // 0: not given
  double mscale_all_dim = 0.0;                  // 0: not given; then no factor on the softmax scale
  std::optional<double> attention_factor = {};  // overrides the factor on cos and sin
  // llama3
  double low_freq_factor = 1.0;
  double high_freq_factor = 4.0;
};

/// One entry of `config_groups` of a `compressed-tensors` config: how some modules are stored.
struct QuantizationGroup {
  bool is_fp8 = false;   // E4M3 with one f32 scale a 128x128 block; else symmetric integers
  int num_bits = 8;      // of integers: 4 or 8
  i64 group_size = 128;  // of integers: 32 or 128 columns of a row share a BF16 scale
  std::vector<std::string> targets = {"Linear"};  // as matches_target() reads them
};

/// config.json `quantization_config`. By quant_method:
///   fp8                 as DeepSeek-V3 is released: FP8 E4M3 weights with one f32
///                       `weight_scale_inv` per 128x128 block
///   compressed-tensors  `groups` of packed integers or FP8, as vLLM and transformers load them;
///   the
///                       scales of FP8 blocks are called `weight_scale`
/// Which tensor is stored how is read off the tensors themselves.
struct QuantizationConfig {
  std::string quant_method = "fp8";
  std::string fmt = "e4m3";
  std::string activation_scheme = "dynamic";
  std::vector<i64> weight_block_size = {128, 128};
  std::string scale_fmt;  // "ue8m0": activation scales are powers of two (V3.1); "": any f32
  std::vector<QuantizationGroup> groups = {};
  /// Modules that stay as they were: `ignore`, or `modules_to_not_convert` beside fp8.
  std::vector<std::string> ignore = {};

  bool is_compressed_tensors() const { return quant_method == "compressed-tensors"; }
  bool has_fp8() const;
  bool has_integers() const;
};

/// Epsilon of q_a_layernorm and kv_a_layernorm: 1e-6 whatever `rms_norm_eps` says, as in the
/// published code (transformers builds both norms with the class's default).
inline constexpr float kLatentNormEps = 1e-6f;

struct ModelConfig {
  Architecture architecture = Architecture::kDeepseekV3;
  std::string model_type = "deepseek_v3";

  i64 vocab_size = 0;
  i64 hidden_size = 0;
  i64 intermediate_size = 0;  // dense FFN width
  i64 num_hidden_layers = 0;
  i64 num_attention_heads = 0;
  i64 num_key_value_heads = 0;  // absent: num_attention_heads
  i64 max_position_embeddings = 0;

  // Multi-head latent attention (DeepSeek).
  i64 q_lora_rank = 0;  // 0 (null): one q_proj, no query latent
  i64 kv_lora_rank = 0;
  i64 qk_nope_head_dim = 0;
  i64 qk_rope_head_dim = 0;
  i64 v_head_dim = 0;
  // Plain attention (Llama, Qwen).
  i64 head_dim = 0;  // absent: hidden_size / num_attention_heads; 128 for Qwen3

  // Mixture of experts (DeepSeek).
  i64 n_routed_experts = 0;  // 0 (null): every layer is dense
  i64 n_shared_experts = 0;  // 0 (null): none
  i64 num_experts_per_tok = 0;
  i64 moe_intermediate_size = 0;  // width of one expert
  i64 first_k_dense_replace = 0;
  i64 moe_layer_freq = 1;
  i64 n_group = 1;
  i64 topk_group = 1;
  bool norm_topk_prob = false;
  float routed_scaling_factor = 1.0f;
  ScoringFunc scoring_func = ScoringFunc::kSoftmax;
  TopkMethod topk_method = TopkMethod::kGreedy;

  i64 num_nextn_predict_layers = 0;  // MTP modules stored after the main layers

  std::string hidden_act = "silu";
  bool attention_bias = false;
  bool mlp_bias = false;
  float rms_norm_eps = 1e-6f;
  double rope_theta = 10000.0;
  std::optional<RopeScaling> rope_scaling;
  bool rope_interleave = true;  // DeepSeek: channels are stored as pairs; others: halves (false)
  bool tie_word_embeddings = false;
  double initializer_range = 0.02;

  i64 bos_token_id = -1;          // -1 (null): none
  std::vector<i64> eos_token_id;  // one or several; empty (null): none
  i64 pad_token_id = -1;

  DType torch_dtype = DType::kBF16;  // `torch_dtype`, or `dtype` as transformers 5 writes it
  std::optional<QuantizationConfig> quantization_config;

  bool is_mla() const {
    return architecture == Architecture::kDeepseekV3 || architecture == Architecture::kDeepseekV2;
  }
  /// Do q_proj, k_proj and v_proj add a bias? Qwen2's always do; MLA's never.
  bool has_qkv_bias() const {
    return architecture == Architecture::kQwen2 || (!is_mla() && attention_bias);
  }
  /// Does o_proj add a bias? With `attention_bias`, which Qwen2 does not read.
  bool has_o_bias() const { return has_qkv_bias() && architecture != Architecture::kQwen2; }
  /// Is every query and key head normalised (q_norm, k_norm) before RoPE?
  bool has_qk_norm() const { return architecture == Architecture::kQwen3; }
  bool has_experts() const { return is_mla() && n_routed_experts > 0; }
  /// layer >= first_k_dense_replace and layer % moe_layer_freq == 0. MTP modules (layers from
  /// num_hidden_layers on) follow the same rule.
  bool is_moe_layer(i64 layer) const;

  /// Width of one query or key head: nope + rope (MLA), head_dim (Llama, Qwen).
  i64 qk_head_dim() const { return is_mla() ? qk_nope_head_dim + qk_rope_head_dim : head_dim; }
  /// Width of one value head.
  i64 value_head_dim() const { return is_mla() ? v_head_dim : head_dim; }
  /// Channels that RoPE rotates: qk_rope_head_dim (MLA), head_dim (Llama, Qwen).
  i64 rope_dim() const { return is_mla() ? qk_rope_head_dim : head_dim; }
  /// One cached row of MLA: kv_lora_rank + qk_rope_head_dim (576 for V3); 0 without MLA.
  i64 latent_dim() const { return is_mla() ? kv_lora_rank + qk_rope_head_dim : 0; }
  /// Cached numbers a token and layer: latent_dim(), or K and V rows: 2 * kv_heads * head_dim.
  i64 cache_elements_per_layer() const {
    return is_mla() ? latent_dim() : 2 * num_key_value_heads * head_dim;
  }
  /// Cached numbers a token over the main layers (V3: 576 * 61). MTP layers not counted.
  i64 cache_elements_per_token() const { return cache_elements_per_layer() * num_hidden_layers; }

  /// Factor on q.k: qk_head_dim^-0.5, times m^2 where YaRN gives mscale_all_dim (MLA only),
  /// m = 0.1 * mscale_all_dim * ln(factor) + 1. V3: 0.1352338. Never 128^-0.5, never 576^-0.5.
  float softmax_scale() const;

  /// Everything that is wrong or unsupported, all at once, one problem a line; kUnsupported if
  /// every size is possible and only the combination is refused, else kInvalidInput. `where` names
  /// the file.
  [[nodiscard]] Result<void> validate(const std::string& where = "config.json") const;
};

/// Reads and validates `path`: a config.json or a directory that holds one. The Error lists ALL
/// problems: unknown architecture (with the supported ones), wrong types, impossible sizes,
/// unsupported combinations, and keys that would change the result if they were ignored.
/// Other unknown keys are ignored: published configs carry many.
[[nodiscard]] Result<ModelConfig> load_model_config(const std::filesystem::path& path);
/// The same from text; `where` names it in messages.
[[nodiscard]] Result<ModelConfig> parse_model_config(std::string_view text,
                                                     const std::string& where = "config.json");

/// The text of a config.json that transformers and fathom load back to the same model.
std::string to_json(const ModelConfig& config);

/// `config_text` with the way its weights are stored changed and every other key kept, known or
/// not: what a converter writes beside weights of another dtype.
[[nodiscard]] Result<std::string> with_storage(
    std::string_view config_text, DType torch_dtype,
    const std::optional<QuantizationConfig>& quantization,
    const std::string& where = "config.json");

std::string_view to_string(Architecture architecture);  // "DeepseekV3ForCausalLM"
std::string_view to_string(ScoringFunc scoring_func);   // "sigmoid"
std::string_view to_string(TopkMethod topk_method);     // "noaux_tc"
std::string_view to_string(RopeType type);              // "yarn"

}  // namespace fathom
