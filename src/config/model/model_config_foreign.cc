// What a config.json may say that this program does not do: other architectures, and keys that
// would change the result if they were ignored.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>

#include "base/text.h"
#include "config/model/model_config_enums.h"
#include "config/model/model_config_load.h"
#include "io/json.h"

namespace fathom {
namespace {

using io::describe;
using io::JsonValue;

constexpr std::array<std::pair<std::string_view, Architecture>, 6> kModelTypes = {{
    {"deepseek_v3", Architecture::kDeepseekV3},
    {"kimi_k2", Architecture::kDeepseekV3},
    {"deepseek_v2", Architecture::kDeepseekV2},
    {"llama", Architecture::kLlama},
    {"qwen2", Architecture::kQwen2},
    {"qwen3", Architecture::kQwen3},
}};

std::optional<Architecture> architecture_of_model_type(std::string_view model_type) {
  for (const auto& [name, architecture] : kModelTypes) {
    if (name == model_type) return architecture;
  }
  return std::nullopt;
}

/// Models one may well try, and why they do not run: better told at once than "is deepseek_v3
/// meant?", after which the config is changed and the next thing refused.
struct OtherModel {
  std::string_view model_type;
  std::string_view architecture;
  std::string_view reason;
};

constexpr std::array kOtherModels = {
    OtherModel{"deepseek_v32", "DeepseekV32ForCausalLM", "DeepSeek sparse attention (V3.2)"},
    OtherModel{"deepseek_v4", "DeepseekV4ForCausalLM",
               "hyper-connections and compressed attention (V4)"},
    OtherModel{"deepseek_vl_v2", "DeepseekVLV2ForCausalLM", "a multimodal model"},
    OtherModel{"deepseek_vl", "DeepseekVLForConditionalGeneration", "a multimodal model"},
    OtherModel{"deepseek_ocr2", "DeepseekOcr2ForConditionalGeneration", "a multimodal model"},
    OtherModel{"kimi_vl", "KimiVLForConditionalGeneration", "a multimodal model"},
    OtherModel{"kimi_k25", "KimiK25ForConditionalGeneration", "a multimodal model"},
    OtherModel{"kimi_linear", "KimiLinearForCausalLM", "linear attention"},
    OtherModel{"qwen2_moe", "Qwen2MoeForCausalLM", "Qwen's mixture of experts"},
    OtherModel{"qwen3_moe", "Qwen3MoeForCausalLM", "Qwen's mixture of experts"},
    OtherModel{"qwen3_next", "Qwen3NextForCausalLM", "linear attention"},
};

/// "found ...: sparse attention is not supported; " or "found ...; ", before the supported ones.
std::string found_name(const JsonValue& name, std::string_view OtherModel::*spelling) {
  std::string text = fmt::format("found {}", describe(name));
  for (const OtherModel& other : kOtherModels) {
    if (name.is_string() && other.*spelling == name.as_string()) {
      return fmt::format("{}: {} is not supported; ", text, other.reason);
    }
  }
  return text + "; ";
}

/// A likely misspelling of `names`, but not of a model that is another one.
std::string hint(std::string_view found, std::span<const std::string_view> names) {
  const bool is_other = std::ranges::any_of(kOtherModels, [found](const OtherModel& other) {
    return other.model_type == found || other.architecture == found;
  });
  const std::string nearest = is_other ? "" : nearest_name(found, names);
  return nearest.empty() ? "" : fmt::format("; is {} meant?", nearest);
}

std::string supported_model_types(std::string_view found) {
  std::array<std::string_view, kModelTypes.size()> names;
  std::string list;
  for (size_t i = 0; i < names.size(); ++i) {
    names[i] = kModelTypes[i].first;
    list += fmt::format("{}{}", i == 0 ? "" : i + 1 == names.size() ? " and " : ", ", names[i]);
  }
  return fmt::format("supported are {}{}", list, hint(found, names));
}

std::string supported_architectures(std::string_view found) {
  std::array<std::string_view, kArchitectureNames.size()> names;
  for (size_t i = 0; i < names.size(); ++i) names[i] = kArchitectureNames[i].second;
  return fmt::format("supported are {}{}", list_of(kArchitectureNames), hint(found, names));
}

/// A value of a foreign key that means "as if the key were absent".
enum class Harmless { kNull, kNullOrFalse, kNullOrZero, kNullOrOne };

struct ForeignKey {
  std::string_view key;
  Harmless harmless;
  std::string_view meaning;
};

constexpr std::array kForeignKeys = {
    ForeignKey{"index_n_heads", Harmless::kNullOrZero, "DeepSeek sparse attention (V3.2)"},
    ForeignKey{"index_head_dim", Harmless::kNullOrZero, "DeepSeek sparse attention (V3.2)"},
    ForeignKey{"index_topk", Harmless::kNullOrZero, "DeepSeek sparse attention (V3.2)"},
    ForeignKey{"partial_rotary_factor", Harmless::kNullOrOne, "partly rotated heads"},
    ForeignKey{"attn_logit_softcapping", Harmless::kNull, "capped attention logits"},
    ForeignKey{"final_logit_softcapping", Harmless::kNull, "capped logits"},
    ForeignKey{"logit_scale", Harmless::kNullOrOne, "scaled logits"},
    ForeignKey{"logits_scaling", Harmless::kNullOrOne, "scaled logits"},
    ForeignKey{"embedding_multiplier", Harmless::kNullOrOne, "a scaled embedding"},
    ForeignKey{"scale_emb", Harmless::kNullOrOne, "a scaled embedding"},
    ForeignKey{"residual_multiplier", Harmless::kNullOrOne, "scaled residuals"},
    ForeignKey{"attention_multiplier", Harmless::kNull, "another softmax scale"},
    ForeignKey{"qk_norm", Harmless::kNullOrFalse, "norms of queries and keys"},
    ForeignKey{"use_qk_norm", Harmless::kNullOrFalse, "norms of queries and keys"},
    ForeignKey{"clip_qkv", Harmless::kNull, "clipped projections"},
    ForeignKey{"use_mrope", Harmless::kNullOrFalse, "multimodal RoPE"},
    ForeignKey{"dual_chunk_attention_config", Harmless::kNull, "dual chunk attention"},
    ForeignKey{"swiglu_limit", Harmless::kNullOrZero, "a clipped SwiGLU"},
    ForeignKey{"hc_mult", Harmless::kNullOrOne, "hyper-connections (V4)"},
    ForeignKey{"quantization", Harmless::kNull, "MLX's quantisation"},
    ForeignKey{"text_config", Harmless::kNull, "a multimodal model"},
    ForeignKey{"vision_config", Harmless::kNull, "a multimodal model"},
};

bool is_harmless(const JsonValue& value, Harmless harmless) {
  if (value.is_null()) return true;
  switch (harmless) {
    case Harmless::kNull:
      return false;
    case Harmless::kNullOrFalse:
      return value.is_bool() && !value.as_bool();
    case Harmless::kNullOrZero:
      return value.is_number() && value.as_number() == 0.0;
    case Harmless::kNullOrOne:
      return value.is_number() && value.as_number() == 1.0;
  }
  return false;
}

/// Every layer must attend to all earlier tokens.
void check_layer_types(const JsonValue& types, i64 num_hidden_layers, Problems& problems) {
  if (!types.is_array()) {
    problems.invalid("layer_types", "expected an array, found " + describe(types));
    return;
  }
  for (const JsonValue& type : types.as_array()) {
    if (type.is_string() && type.as_string() == "full_attention") continue;
    problems.unsupported("layer_types",
                         "only full_attention is supported, found " + describe(type));
    return;
  }
  const i64 count = std::ssize(types.as_array());
  if (count < num_hidden_layers) {  // more: the config was cut to its first layers
    problems.invalid("layer_types", fmt::format("expected num_hidden_layers {} entries, found {}",
                                                num_hidden_layers, count));
  }
}

/// Qwen's sliding windows are off unless `use_sliding_window`, and then begin at layer
/// `max_window_layers`.
bool qwen_windows_are_off(const JsonValue& json, i64 num_hidden_layers, Problems& problems) {
  constexpr i64 kDefaultMaxWindowLayers = 28;  // of transformers' Qwen2Config and Qwen3Config
  const JsonValue* use = json.find("use_sliding_window");
  if (use == nullptr || use->is_null()) return true;
  if (!use->is_bool()) {
    problems.invalid("use_sliding_window", "expected true or false, found " + describe(*use));
    return true;
  }
  if (!use->as_bool()) return true;
  const JsonValue* first = json.find("max_window_layers");
  if (first == nullptr) return num_hidden_layers <= kDefaultMaxWindowLayers;
  return first->is_integer() && num_hidden_layers <= first->as_integer();
}

}  // namespace

std::optional<Architecture> read_architecture(const JsonValue& json, Problems& problems) {
  const JsonValue* type = json.find("model_type");
  const JsonValue* names = json.find("architectures");
  std::optional<Architecture> by_type;
  if (type != nullptr && !type->is_null()) {
    if (type->is_string()) by_type = architecture_of_model_type(type->as_string());
    if (!by_type) {
      problems.unsupported("model_type",
                           found_name(*type, &OtherModel::model_type) +
                               supported_model_types(type->is_string() ? type->as_string() : ""));
      return std::nullopt;
    }
  }
  const bool no_names =
      names == nullptr || names->is_null() || (names->is_array() && names->as_array().empty());
  if (no_names) {
    if (!by_type) problems.invalid("model_type", "missing; " + supported_model_types(""));
    return by_type;
  }
  const bool one_name =
      names->is_array() && names->as_array().size() == 1 && names->as_array()[0].is_string();
  if (!one_name) {
    problems.invalid("architectures", "expected an array of one string, found " + describe(*names));
    return std::nullopt;
  }
  const std::string& name = names->as_array()[0].as_string();
  const auto by_name = value_of(kArchitectureNames, name);
  if (!by_name) {
    problems.unsupported("architectures",
                         found_name(names->as_array()[0], &OtherModel::architecture) +
                             supported_architectures(name));
    return std::nullopt;
  }
  if (by_type && by_type != by_name) {
    problems.invalid("architectures", fmt::format("found {}, which contradicts model_type {}", name,
                                                  type->as_string()));
    return std::nullopt;
  }
  return by_name;
}

void check_foreign_keys(const JsonValue& json, Problems& problems) {
  for (const ForeignKey& foreign : kForeignKeys) {
    const JsonValue* value = json.find(foreign.key);
    if (value == nullptr || is_harmless(*value, foreign.harmless)) continue;
    problems.unsupported(foreign.key, fmt::format("found {}: {} is not supported", describe(*value),
                                                  foreign.meaning));
  }
}

void check_sliding_window(const JsonValue& json, const ModelConfig& config, Problems& problems) {
  const JsonValue* types = json.find("layer_types");
  const bool is_qwen =
      config.architecture == Architecture::kQwen2 || config.architecture == Architecture::kQwen3;
  if (types != nullptr && !types->is_null()) {
    check_layer_types(*types, config.num_hidden_layers, problems);
    if (is_qwen) return;
  }
  const JsonValue* window = json.find("sliding_window");
  const bool given = window == nullptr ? is_qwen : !window->is_null();  // absent in Qwen: 4096
  if (!given) return;
  if (is_qwen && qwen_windows_are_off(json, config.num_hidden_layers, problems)) return;
  problems.unsupported(is_qwen ? "use_sliding_window" : "sliding_window",
                       fmt::format("found {}: sliding-window attention is not supported",
                                   is_qwen ? "true" : describe(*window)));
}

}  // namespace fathom
