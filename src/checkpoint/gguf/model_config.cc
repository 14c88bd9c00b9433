#include "checkpoint/gguf/model_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <span>
#include <tuple>
#include <utility>

#include "base/log.h"
#include "checkpoint/gguf/metadata_reader.h"
#include "config/model/model_config_fields.h"
#include "config/model/rope_frequencies.h"
#include "io/gguf/dequantize.h"

namespace fathom::checkpoint {
namespace {

using io::gguf::File;

constexpr std::string_view kSupported = "llama, qwen2, qwen3 and deepseek2";

bool any_tensor(const File& file, std::string_view name_end) {
  return std::ranges::any_of(file.tensors(), [&](const io::gguf::Tensor& tensor) {
    return tensor.name.ends_with(name_end);
  });
}

/// The token ids that a model's config names: the tokenizer's, where the file has one.
void read_token_ids(const io::gguf::Metadata& metadata, ModelConfig& config) {
  if (const auto bos = metadata.integer("tokenizer.ggml.bos_token_id")) config.bos_token_id = *bos;
  if (const auto eos = metadata.integer("tokenizer.ggml.eos_token_id")) {
    config.eos_token_id = {*eos};
  }
  if (const auto pad = metadata.integer("tokenizer.ggml.padding_token_id")) {
    config.pad_token_id = *pad;
  }
}

i64 vocab_size(const File& file, MetadataReader& reader) {
  const io::gguf::Tensor* embedding = file.find("token_embd.weight");
  if (embedding != nullptr && embedding->shape.size() == 2) return embedding->shape[0];
  return reader.integer("vocab_size");
}

void read_common(const File& file, MetadataReader& reader, ModelConfig& config) {
  config.vocab_size = vocab_size(file, reader);
  config.hidden_size = reader.integer("embedding_length");
  config.intermediate_size = reader.integer_of_all_layers("feed_forward_length");
  config.num_hidden_layers = reader.integer("block_count");
  config.num_attention_heads = reader.integer_of_all_layers("attention.head_count");
  config.max_position_embeddings = reader.integer("context_length");
  config.rms_norm_eps = static_cast<float>(reader.number("attention.layer_norm_rms_epsilon"));
  config.rope_theta = reader.number_or("rope.freq_base", 10000.0);
  config.tie_word_embeddings = file.find("output.weight") == nullptr;
  read_token_ids(file.metadata(), config);
}

/// True if `factors` are what `config`'s rope_scaling divides the plain frequencies by.
bool divides_by(std::span<const float> factors, std::span<const double> plain,
                const ModelConfig& config) {
  const std::vector<double> scaled = rope_frequencies(config);
  for (size_t i = 0; i < factors.size(); ++i) {
    const double expected = plain[i] / scaled[i];
    if (!(std::abs(static_cast<double>(factors[i]) - expected) <= 1e-4 * expected)) return false;
  }
  return true;
}

/// The positions of the original context, from one factor strictly between 1 and the largest: there
///   1 / factor = (1 - s) / largest + s,  s = (positions * frequency / (2 pi) - low) / (high -
///   low).
/// 8192, Llama 3's, if there is no such factor: then it hardly matters.
i64 original_positions(std::span<const float> factors, std::span<const double> frequencies,
                       const RopeScaling& scaling) {
  constexpr double kMargin = 1e-3, kMost = 1e9;
  for (size_t i = 0; i < factors.size(); ++i) {
    const double factor = static_cast<double>(factors[i]);
    if (factor < 1.0 + kMargin || factor > scaling.factor - kMargin) continue;
    const double s = (1.0 / factor - 1.0 / scaling.factor) / (1.0 - 1.0 / scaling.factor);
    const double turns =
        scaling.low_freq_factor + s * (scaling.high_freq_factor - scaling.low_freq_factor);
    const double positions = turns * 2.0 * std::numbers::pi / frequencies[i];
    return positions < kMost ? std::lround(positions) : 0;
  }
  return 8192;
}

/// `rope_freqs.weight` divides the frequencies. The converter computes it from a `rope_scaling` of
/// type llama3 and then forgets that; here that is found again, with the usual low_freq_factor 1
/// and high_freq_factor 4, and every factor is checked.
Result<void> read_llama3_factors(const io::gguf::Tensor& tensor, ModelConfig& config) {
  std::vector<float> factors(static_cast<size_t>(tensor.elements()));
  io::gguf::dequantize(tensor.type, tensor.bytes, factors);
  ModelConfig plain = config;
  plain.rope_scaling.reset();
  const std::vector<double> frequencies = rope_frequencies(plain);
  if (factors.size() == frequencies.size()) {
    config.rope_scaling =
        RopeScaling{.type = RopeType::kLlama3,
                    .factor = static_cast<double>(*std::ranges::max_element(factors))};
    config.rope_scaling->original_max_position_embeddings =
        original_positions(factors, frequencies, *config.rope_scaling);
    if (divides_by(factors, frequencies, config)) return {};
  }
  return unsupported(
      fmt::format("{}: rope_freqs.weight, {}, does not hold the {} factors of a "
                  "llama3 rope_scaling, the only kind that is supported",
                  tensor.file_name, to_string(tensor), frequencies.size()));
}

/// YaRN and linear scaling, whose keys all architectures share.
void read_rope_scaling(MetadataReader& reader, ModelConfig& config) {
  const std::string type = reader.string_or("rope.scaling.type", "none");
  if (type == "none") return;
  if (type != "yarn" && type != "linear") {
    reader.unsupported("rope.scaling.type",
                       fmt::format("is \"{}\", expected none, linear or yarn", type));
    return;
  }
  RopeScaling scaling{.type = type == "yarn" ? RopeType::kYarn : RopeType::kLinear};
  scaling.factor = reader.number("rope.scaling.factor");
  if (type == "yarn") {
    scaling.original_max_position_embeddings =
        reader.integer("rope.scaling.original_context_length");
    scaling.beta_fast = reader.number_or("rope.scaling.yarn_beta_fast", scaling.beta_fast);
    scaling.beta_slow = reader.number_or("rope.scaling.yarn_beta_slow", scaling.beta_slow);
    // The file holds 0.1 * mscale_all_dim. V2 and V3 as published have mscale equal to it.
    scaling.mscale_all_dim = reader.number_or("rope.scaling.yarn_log_multiplier", 0.0) * 10.0;
    scaling.mscale_all_dim = std::round(scaling.mscale_all_dim * 1e5) / 1e5;  // it was an f32
    scaling.mscale = scaling.mscale_all_dim;
    if (reader.has("rope.scaling.yarn_attn_factor")) {
      log::warn("rope.scaling.yarn_attn_factor is not read, as llama.cpp does not");
    }
  }
  const double attn_factor = reader.number_or("rope.scaling.attn_factor", 1.0);
  if (attn_factor != 1.0 && type == "linear") {
    reader.unsupported("rope.scaling.attn_factor", "is not 1 beside a linear scaling");
  } else if (attn_factor != 1.0) {
    scaling.attention_factor = attn_factor * yarn_mscale(scaling.factor, 1.0);
  }
  config.rope_scaling = scaling;
}

/// Models with grouped keys and values: `architecture` is not MLA's.
Result<ModelConfig> read_gqa(const File& file, Architecture architecture, MetadataReader& reader) {
  ModelConfig config = default_model_config(architecture);
  read_common(file, reader, config);
  config.attention_bias =
      architecture != Architecture::kQwen2 && file.find("blk.0.attn_q.bias") != nullptr;
  config.num_key_value_heads = reader.has("attention.head_count_kv")
                                   ? reader.integer_of_all_layers("attention.head_count_kv")
                                   : config.num_attention_heads;
  const i64 heads = std::max<i64>(1, config.num_attention_heads);
  config.head_dim = reader.integer_or("attention.key_length", config.hidden_size / heads);
  if (reader.integer_or("attention.value_length", config.head_dim) != config.head_dim) {
    reader.unsupported("attention.value_length", "differs from attention.key_length");
  }
  if (reader.integer_or("rope.dimension_count", config.head_dim) != config.head_dim) {
    reader.unsupported("rope.dimension_count", "is not the width of a head");
  }
  if (reader.integer_or("expert_count", 0) != 0) {
    reader.unsupported("expert_count", "is not 0: experts are not supported here (Mixtral)");
  }
  if (reader.integer_or("attention.sliding_window", 0) != 0) {
    reader.unsupported("attention.sliding_window", "is not 0: windows are not supported");
  }
  read_rope_scaling(reader, config);
  if (!reader.ok()) return tl::unexpected(reader.error());
  if (const io::gguf::Tensor* factors = file.find("rope_freqs.weight")) {
    if (auto read = read_llama3_factors(*factors, config); !read) {
      return tl::unexpected(read.error());
    }
  }
  return config;
}

/// Widths of heads. Files of the split form (attn_k_b) describe the latent cache in key_length and
/// have the heads' own widths in key_length_mla.
void read_latent_attention(MetadataReader& reader, ModelConfig& config) {
  config.q_lora_rank = reader.integer_or("attention.q_lora_rank", 0);
  config.kv_lora_rank = reader.integer("attention.kv_lora_rank");
  config.qk_rope_head_dim = reader.integer("rope.dimension_count");
  const bool split = reader.has("attention.key_length_mla");
  const i64 key = reader.integer(split ? "attention.key_length_mla" : "attention.key_length");
  config.qk_nope_head_dim = key - config.qk_rope_head_dim;
  config.v_head_dim =
      reader.integer(split ? "attention.value_length_mla" : "attention.value_length");
  config.num_key_value_heads = config.num_attention_heads;
}

/// Groups of experts, which files older than their keys leave unsaid.
void read_expert_groups(MetadataReader& reader, ModelConfig& config) {
  constexpr i64 kV2Experts = 160, kV3Experts = 256;
  i64 groups = 1, used = 1;
  if (config.n_routed_experts == kV2Experts) std::tie(groups, used) = std::pair{8, 3};
  if (config.n_routed_experts == kV3Experts) std::tie(groups, used) = std::pair{8, 4};
  config.n_group = reader.integer_or("expert_group_count", groups);
  config.topk_group = reader.integer_or("expert_group_used_count", used);
}

void read_experts(const File& file, MetadataReader& reader, ModelConfig& config) {
  constexpr i64 kSoftmax = 1, kSigmoid = 2;
  config.n_routed_experts = reader.integer("expert_count");
  config.num_experts_per_tok = reader.integer("expert_used_count");
  config.n_shared_experts = reader.integer_or("expert_shared_count", 0);
  config.moe_intermediate_size = reader.integer("expert_feed_forward_length");
  config.first_k_dense_replace = reader.integer_or("leading_dense_block_count", 0);
  config.routed_scaling_factor = static_cast<float>(reader.number_or("expert_weights_scale", 1.0));
  config.norm_topk_prob = reader.boolean_or("expert_weights_norm", false);
  const i64 gating = reader.integer_or("expert_gating_func", kSoftmax);
  if (gating != kSoftmax && gating != kSigmoid) {
    reader.unsupported("expert_gating_func",
                       fmt::format("is {}, expected 1 (softmax) or 2 (sigmoid)", gating));
  }
  config.scoring_func = gating == kSigmoid ? ScoringFunc::kSigmoid : ScoringFunc::kSoftmax;
  read_expert_groups(reader, config);
  if (any_tensor(file, "exp_probs_b.bias")) {
    config.topk_method = TopkMethod::kNoauxTc;
  } else {
    config.topk_method = config.n_group > 1 ? TopkMethod::kGroupLimitedGreedy : TopkMethod::kGreedy;
  }
}

Result<ModelConfig> read_deepseek2(const File& file, MetadataReader& reader) {
  ModelConfig config;
  const bool v3 = any_tensor(file, "exp_probs_b.bias");
  config.architecture = v3 ? Architecture::kDeepseekV3 : Architecture::kDeepseekV2;
  config.model_type = v3 ? "deepseek_v3" : "deepseek_v2";
  read_common(file, reader, config);
  read_latent_attention(reader, config);
  read_experts(file, reader, config);
  read_rope_scaling(reader, config);
  config.num_nextn_predict_layers = reader.integer_or("nextn_predict_layers", 0);
  config.num_hidden_layers -= config.num_nextn_predict_layers;  // block_count has both
  if (!any_tensor(file, "nextn.eh_proj.weight")) config.num_nextn_predict_layers = 0;
  if (!reader.ok()) return tl::unexpected(reader.error());
  return config;
}

}  // namespace

Result<ModelConfig> gguf_model_config(const File& file) {
  const io::gguf::Metadata& metadata = file.metadata();
  const auto architecture = metadata.string("general.architecture");
  if (!architecture) return tl::unexpected(architecture.error());
  MetadataReader reader(metadata, std::string(*architecture));
  Result<ModelConfig> config =
      unsupported(fmt::format("{}: general.architecture is {}, expected {}", metadata.file_name(),
                              to_string(*metadata.find("general.architecture")), kSupported));
  for (const Architecture gqa :
       {Architecture::kLlama, Architecture::kQwen2, Architecture::kQwen3}) {
    // GGUF has transformers' names for these.
    if (*architecture == default_model_config(gqa).model_type) config = read_gqa(file, gqa, reader);
  }
  if (*architecture == "deepseek2") config = read_deepseek2(file, reader);
  if (!config) return config;
  config->torch_dtype = DType::kBF16;
  if (auto valid = config->validate(metadata.file_name()); !valid) {
    return tl::unexpected(valid.error());
  }
  return config;
}

Result<ModelConfig> load_any_model_config(const std::filesystem::path& path) {
  if (!io::gguf::is_gguf(path)) return load_model_config(path);
  const auto file = File::open(path);
  if (!file) return tl::unexpected(file.error());
  return gguf_model_config(*file);
}

}  // namespace fathom::checkpoint
