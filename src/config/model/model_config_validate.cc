#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>

#include "config/model/model_config_enums.h"
#include "config/model/model_config_fields.h"
#include "config/model/model_config_load.h"

namespace fathom {
namespace {

/// Bounds on the whole, far above any model: what follows from a config must stay inside i64 and
/// end in reasonable time.
constexpr double kMaxParameters = 1e15;
constexpr double kMaxExpertsInAll = 1e6;

/// The number behind a field, if it is one.
struct NumberOf {
  const ModelConfig& config;
  std::optional<double> operator()(i64 ModelConfig::*m) const {
    return static_cast<double>(config.*m);
  }
  std::optional<double> operator()(float ModelConfig::*m) const {
    return static_cast<double>(config.*m);
  }
  std::optional<double> operator()(double ModelConfig::*m) const { return config.*m; }
  template <typename T>
  std::optional<double> operator()(T ModelConfig::*) const {
    return std::nullopt;
  }
};

/// Every later check may compute with the fields named in its `has` guards only.
void check_ranges(const ModelConfig& config, Problems& problems) {
  for (const ModelConfigField& field : model_config_fields()) {
    if ((field.used_by & architecture_bit(config.architecture)) == 0) continue;
    const auto number = std::visit(NumberOf{config}, field.member);
    if (!number || (*number >= field.min && *number <= field.max)) continue;
    problems.invalid(field.name,
                     fmt::format("expected {} to {}, found {}", field.min, field.max, *number));
  }
}

/// A number of a nested object within [min, max].
void check_number(const char* name, double value, double min, double max, Problems& problems) {
  if (value >= min && value <= max) return;
  problems.invalid(name, fmt::format("expected {} to {}, found {}", min, max, value));
}

void check_rope(const ModelConfig& config, Problems& problems) {
  // Above 1, because YaRN divides by its logarithm.
  check_number("rope_theta", config.rope_theta, 1.001, 1e15, problems);
  const char* const dim_name = config.is_mla() ? "qk_rope_head_dim" : "head_dim";
  if (config.rope_dim() % 2 != 0) {
    problems.invalid(dim_name, fmt::format("expected an even number, found {}", config.rope_dim()));
  }
  if (!config.rope_scaling) return;
  const RopeScaling& scaling = *config.rope_scaling;
  check_number("rope_scaling.factor", scaling.factor, 1, 1e6, problems);
  if (scaling.type != RopeType::kLinear) {
    check_number("rope_scaling.original_max_position_embeddings",
                 static_cast<double>(scaling.original_max_position_embeddings), 1, 1 << 30,
                 problems);
  }
  if (scaling.type == RopeType::kYarn) {
    check_number("rope_scaling.beta_slow", scaling.beta_slow, 1e-6, 1e6, problems);
    check_number("rope_scaling.beta_fast", scaling.beta_fast, scaling.beta_slow, 1e6, problems);
    check_number("rope_scaling.mscale", scaling.mscale, 0, 100, problems);
    check_number("rope_scaling.mscale_all_dim", scaling.mscale_all_dim, 0, 100, problems);
    if (scaling.attention_factor) {
      check_number("rope_scaling.attention_factor", *scaling.attention_factor, 1e-6, 1e6, problems);
    }
    if (config.is_mla() && (scaling.mscale == 0) != (scaling.mscale_all_dim == 0)) {
      problems.unsupported(
          "rope_scaling.mscale",
          fmt::format("{} with mscale_all_dim {}: only both or none are supported; "
                      "the published implementations disagree on the rest",
                      scaling.mscale, scaling.mscale_all_dim));
    }
  }
  if (scaling.type == RopeType::kLlama3) {
    check_number("rope_scaling.low_freq_factor", scaling.low_freq_factor, 1e-6, 1e6, problems);
    if (!(scaling.high_freq_factor > scaling.low_freq_factor && scaling.high_freq_factor <= 1e6)) {
      problems.invalid("rope_scaling.high_freq_factor",
                       fmt::format("expected more than low_freq_factor {}, found {}",
                                   scaling.low_freq_factor, scaling.high_freq_factor));
    }
  }
}

void check_heads(const ModelConfig& config, Problems& problems) {
  const i64 heads = config.num_attention_heads;
  const i64 kv_heads = config.num_key_value_heads;
  if (problems.has("num_attention_heads") || problems.has("num_key_value_heads")) return;
  if (config.is_mla() && kv_heads != heads) {
    problems.invalid("num_key_value_heads",
                     fmt::format("expected num_attention_heads {}, found {}: latent attention has "
                                 "one key and value per head",
                                 heads, kv_heads));
  } else if (heads % kv_heads != 0) {
    problems.invalid(
        "num_key_value_heads",
        fmt::format("expected a divisor of num_attention_heads {}, found {}", heads, kv_heads));
  }
}

void check_groups(const ModelConfig& config, Problems& problems) {
  const i64 experts = config.n_routed_experts;
  const i64 groups = config.n_group;
  if (config.topk_method == TopkMethod::kGreedy) return;
  for (const char* field : {"n_routed_experts", "n_group", "topk_group", "num_experts_per_tok"}) {
    if (problems.has(field)) return;
  }
  if (experts % groups != 0) {
    problems.invalid("n_group", fmt::format("expected a divisor of n_routed_experts {}, found {}",
                                            experts, groups));
    return;
  }
  if (config.topk_group > groups) {
    problems.invalid("topk_group", fmt::format("expected at most n_group {}, found {}", groups,
                                               config.topk_group));
    return;
  }
  if (config.num_experts_per_tok > config.topk_group * (experts / groups)) {
    problems.invalid("num_experts_per_tok",
                     fmt::format("expected at most {} = topk_group {} x {} experts a group, found "
                                 "{}",
                                 config.topk_group * (experts / groups), config.topk_group,
                                 experts / groups, config.num_experts_per_tok));
  }
  if (config.topk_method == TopkMethod::kNoauxTc && groups > 1 && experts / groups < 2) {
    problems.invalid(
        "n_group",
        fmt::format("{} groups of one expert: noaux_tc ranks groups by their two best", groups));
  }
}

void check_experts(const ModelConfig& config, Problems& problems) {
  if (!problems.has("num_hidden_layers") &&
      config.first_k_dense_replace > config.num_hidden_layers) {
    problems.invalid("first_k_dense_replace",
                     fmt::format("expected at most num_hidden_layers {}, found {}",
                                 config.num_hidden_layers, config.first_k_dense_replace));
  }
  if (!config.has_experts()) return;
  if (config.moe_intermediate_size < 1) {
    problems.invalid("moe_intermediate_size", "missing or 0, but the model has experts");
  }
  if (!problems.has("n_routed_experts") &&
      (config.num_experts_per_tok < 1 || config.num_experts_per_tok > config.n_routed_experts)) {
    problems.invalid("num_experts_per_tok",
                     fmt::format("expected 1 to n_routed_experts {}, found {}",
                                 config.n_routed_experts, config.num_experts_per_tok));
  }
  const bool v3 = config.architecture == Architecture::kDeepseekV3;
  const bool sigmoid = config.scoring_func == ScoringFunc::kSigmoid;
  if (v3 != sigmoid) {
    problems.unsupported(
        "scoring_func",
        fmt::format("only {} is supported for {}, found {}", v3 ? "sigmoid" : "softmax",
                    to_string(config.architecture), to_string(config.scoring_func)));
  }
  if (v3 != (config.topk_method == TopkMethod::kNoauxTc)) {
    problems.unsupported(
        "topk_method", fmt::format("only {} is supported for {}, found {}",
                                   v3 ? "noaux_tc" : "greedy or group_limited_greedy",
                                   to_string(config.architecture), to_string(config.topk_method)));
  }
  if (!v3 && config.norm_topk_prob) {
    problems.unsupported("norm_topk_prob",
                         "only false is supported for DeepseekV2ForCausalLM: the published "
                         "implementations disagree on what true does");
  }
  check_groups(config, problems);
}

void check_refused(const ModelConfig& config, Problems& problems) {
  if (config.hidden_act != "silu") {
    problems.unsupported("hidden_act", "only silu is supported, found " + config.hidden_act);
  }
  if (config.attention_bias && config.is_mla()) {
    problems.unsupported("attention_bias", "only false is supported");
  }
  if (config.mlp_bias) problems.unsupported("mlp_bias", "only false is supported");
}

void check_quantization(const ModelConfig& config, Problems& problems) {
  if (!config.quantization_config) return;
  const QuantizationConfig& quantization = *config.quantization_config;
  const auto require = [&problems](const char* name, const std::string& found,
                                   std::string_view wanted) {
    if (found == wanted) return;
    problems.unsupported(name, fmt::format("only {} is supported, found {}", wanted,
                                           found.empty() ? "nothing" : found));
  };
  if (quantization.is_compressed_tensors()) return;  // its reader has checked it
  if (quantization.quant_method != "fp8") {          // the other fields mean something else there
    return require("quantization_config.quant_method", quantization.quant_method,
                   "fp8 or compressed-tensors");
  }
  require("quantization_config.fmt", quantization.fmt, "e4m3");
  require("quantization_config.activation_scheme", quantization.activation_scheme, "dynamic");
  require("quantization_config.weight_block_size",
          fmt::format("[{}]", fmt::join(quantization.weight_block_size, ", ")), "[128, 128]");
  if (!quantization.scale_fmt.empty()) {
    require("quantization_config.scale_fmt", quantization.scale_fmt, "ue8m0");
  }
}

void check_token_ids(const ModelConfig& config, Problems& problems) {
  const auto check = [&](const char* name, i64 id) {
    if (problems.has("vocab_size") || id < config.vocab_size) return;
    problems.invalid(
        name, fmt::format("expected less than vocab_size {}, found {}", config.vocab_size, id));
  };
  check("bos_token_id", config.bos_token_id);
  for (const i64 id : config.eos_token_id) {
    check("eos_token_id", id);
    if (id < 0) problems.invalid("eos_token_id", fmt::format("expected a token id, found {}", id));
  }
}

/// An estimate in double, which cannot overflow.
double parameter_estimate(const ModelConfig& c) {
  const auto d = [](i64 value) { return static_cast<double>(value); };
  const double hidden = d(c.hidden_size);
  const double heads = d(c.num_attention_heads);
  double layer = heads * d(c.qk_head_dim() + c.value_head_dim()) * hidden * 3;
  if (c.is_mla()) {
    layer += d(c.q_lora_rank) * (hidden + heads * d(c.qk_head_dim())) +
             d(c.kv_lora_rank) * (hidden + heads * d(c.qk_nope_head_dim + c.v_head_dim));
  }
  layer += hidden * 3 *
           (d(c.intermediate_size) +
            d(c.moe_intermediate_size) * d(c.n_routed_experts + c.n_shared_experts));
  return layer * d(c.num_hidden_layers + 1) + 4 * d(c.vocab_size) * hidden;
}

void check_whole(const ModelConfig& config, Problems& problems) {
  const double experts =
      static_cast<double>(config.n_routed_experts) * static_cast<double>(config.num_hidden_layers);
  if (experts > kMaxExpertsInAll) {
    problems.invalid(
        "n_routed_experts",
        fmt::format("{} experts in all layers, expected at most {}", experts, kMaxExpertsInAll));
  }
  if (const double parameters = parameter_estimate(config); !(parameters <= kMaxParameters)) {
    problems.invalid("hidden_size",
                     fmt::format("about {:.3g} parameters follow from the sizes, expected at most "
                                 "{:.0e}",
                                 parameters, kMaxParameters));
  }
}

}  // namespace

void check_model_config(const ModelConfig& config, Problems& problems) {
  check_ranges(config, problems);
  const bool sizes_are_possible = problems.empty();
  check_heads(config, problems);
  check_rope(config, problems);
  if (config.is_mla()) check_experts(config, problems);
  check_refused(config, problems);
  check_quantization(config, problems);
  check_token_ids(config, problems);
  if (sizes_are_possible) check_whole(config, problems);
}

Result<void> ModelConfig::validate(const std::string& where) const {
  Problems problems;
  check_model_config(*this, problems);
  if (!problems.empty()) return tl::unexpected(problems.error(where));
  return {};
}

}  // namespace fathom
