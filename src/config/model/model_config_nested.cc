// The parts of a config.json that are no plain field: rope_scaling and dtype.
#include <fmt/format.h>

#include <array>

#include "base/log.h"
#include "config/model/model_config_enums.h"
#include "config/model/model_config_load.h"
#include "config/model/whole_number.h"
#include "io/json.h"

namespace fathom {
namespace {

using io::describe;
using io::JsonValue;

/// A number of a nested object; absent or null leaves the default.
void read_number(const JsonValue& object, const std::string& prefix, const char* key, double& out,
                 Problems& problems) {
  const JsonValue* value = object.find(key);
  if (value == nullptr || value->is_null()) return;
  if (!value->is_number()) {
    problems.invalid(prefix + key, "expected a number, found " + describe(*value));
    return;
  }
  out = value->as_number();
}

/// The first of `keys` that is there and not null; nullptr if none is.
const JsonValue* first_given(const JsonValue& object, std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    const JsonValue* value = object.find(key);
    if (value != nullptr && !value->is_null()) return value;
  }
  return nullptr;
}

/// No type means "default", as in transformers; but beside a factor a type was forgotten, and which
/// one cannot be known.
void read_rope_type(const JsonValue& object, const std::string& prefix, ModelConfig& config,
                    Problems& problems) {
  const JsonValue* type = first_given(object, {"rope_type", "type"});
  if (type == nullptr) {
    const JsonValue* factor = first_given(object, {"factor"});
    if (factor == nullptr || (factor->is_number() && factor->as_number() == 1.0)) return;
    problems.invalid(
        prefix + "rope_type",
        fmt::format("missing beside a factor; expected default, {}", list_of(kRopeTypeNames)));
    return;
  }
  if (!type->is_string()) {
    problems.invalid(prefix + "type", "expected a string, found " + describe(*type));
    return;
  }
  if (type->as_string() == "default") return;
  const auto named = value_of(kRopeTypeNames, type->as_string());
  if (!named) {
    problems.unsupported(prefix + "type", fmt::format("expected {}, found {}",
                                                      list_of(kRopeTypeNames), describe(*type)));
    return;
  }
  config.rope_scaling.emplace().type = *named;
}

/// Where it is not given, transformers 5 takes the model's own length; one beside `rope_scaling`
/// (Phi-3's place for it) goes before one inside.
void read_original_length(const JsonValue& json, const JsonValue& object, const std::string& prefix,
                          ModelConfig& config, Problems& problems) {
  if (!config.rope_scaling || config.rope_scaling->type == RopeType::kLinear) return;
  const char* key = "original_max_position_embeddings";
  const JsonValue* outside = first_given(json, {key});
  const JsonValue* original = outside != nullptr ? outside : first_given(object, {key});
  const auto tokens =
      original == nullptr ? config.max_position_embeddings : whole_number(*original);
  if (tokens) {
    config.rope_scaling->original_max_position_embeddings = *tokens;
  } else {
    problems.invalid((outside != nullptr ? "" : prefix) + key,
                     "expected an integer, found " + describe(*original));
  }
}

/// A factor that is null is, in YaRN, by how much the model's length exceeds the original.
void read_factor(const JsonValue& object, const std::string& prefix, ModelConfig& config,
                 Problems& problems) {
  RopeScaling& scaling = *config.rope_scaling;
  const JsonValue* factor = object.find("factor");
  const i64 original = scaling.original_max_position_embeddings;
  if (factor != nullptr && factor->is_null() && scaling.type == RopeType::kYarn && original > 0) {
    scaling.factor =
        static_cast<double>(config.max_position_embeddings) / static_cast<double>(original);
  } else if (factor == nullptr || factor->is_null()) {
    problems.invalid(prefix + "factor", factor == nullptr ? "missing" : "null");
  }
  read_number(object, prefix, "factor", scaling.factor, problems);
}

void read_rope_scaling(const JsonValue& json, const JsonValue& object, const std::string& prefix,
                       ModelConfig& config, Problems& problems) {
  read_number(object, prefix, "rope_theta", config.rope_theta, problems);
  read_rope_type(object, prefix, config, problems);
  for (const auto& [key, neutral] : {std::pair{"partial_rotary_factor", JsonValue(1.0)},
                                     std::pair{"truncate", JsonValue(true)}}) {
    const JsonValue* value = object.find(key);
    if (value == nullptr || value->is_null()) continue;
    const bool same = neutral.is_bool() ? value->is_bool() && value->as_bool()
                                        : value->is_number() && value->as_number() == 1.0;
    if (!same) {
      problems.unsupported(prefix + key, fmt::format("only {} is supported, found {}",
                                                     describe(neutral), describe(*value)));
    }
  }
  if (!config.rope_scaling) return;
  RopeScaling& scaling = *config.rope_scaling;
  read_original_length(json, object, prefix, config, problems);
  read_factor(object, prefix, config, problems);
  read_number(object, prefix, "beta_fast", scaling.beta_fast, problems);
  read_number(object, prefix, "beta_slow", scaling.beta_slow, problems);
  read_number(object, prefix, "mscale", scaling.mscale, problems);
  read_number(object, prefix, "mscale_all_dim", scaling.mscale_all_dim, problems);
  read_number(object, prefix, "low_freq_factor", scaling.low_freq_factor, problems);
  read_number(object, prefix, "high_freq_factor", scaling.high_freq_factor, problems);
  if (const JsonValue* factor = object.find("attention_factor");
      factor != nullptr && !factor->is_null()) {
    read_number(object, prefix, "attention_factor", scaling.attention_factor.emplace(), problems);
  }
  if (object.find("attn_factor") != nullptr) {
    log::warn("{}attn_factor is not read, as transformers does not; attention_factor would be",
              prefix);
  }
}

/// transformers 5 writes one object a kind of layer where `layer_types` names kinds. Only full
/// attention is supported (check_foreign_keys refuses other kinds), so its object is the one.
const JsonValue& of_full_attention(const JsonValue& rope) {
  const JsonValue* nested = rope.find("full_attention");
  return nested != nullptr && nested->is_object() ? *nested : rope;
}

}  // namespace

std::vector<std::string> read_texts(const JsonValue& object, const std::string& prefix,
                                    const char* key, Problems& problems) {
  const JsonValue* value = object.find(key);
  std::vector<std::string> result;
  if (value == nullptr || value->is_null()) return result;
  if (!value->is_array()) {
    problems.invalid(prefix + key, "expected an array, found " + describe(*value));
    return result;
  }
  for (const JsonValue& entry : value->as_array()) {
    if (entry.is_string()) {
      result.push_back(entry.as_string());
    } else {
      problems.invalid(prefix + key, "expected strings, found " + describe(entry));
    }
  }
  return result;
}

void read_rope(const JsonValue& json, ModelConfig& config, Problems& problems) {
  read_number(json, "", "rope_theta", config.rope_theta, problems);
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    const JsonValue* value = json.find(key);
    if (value == nullptr || value->is_null()) continue;
    if (!value->is_object()) {
      problems.invalid(key, "expected an object or null, found " + describe(*value));
      return;
    }
    if (value->as_object().empty()) continue;
    const JsonValue& rope = of_full_attention(*value);
    read_rope_scaling(json, rope,
                      fmt::format("{}{}.", key, &rope == value ? "" : ".full_attention"), config,
                      problems);
    return;
  }
}

void read_dtype(const JsonValue& json, ModelConfig& config, Problems& problems) {
  const JsonValue* value = first_given(json, {"dtype", "torch_dtype"});
  if (value == nullptr) return;
  const char* key = value == json.find("dtype") ? "dtype" : "torch_dtype";
  constexpr std::array<std::pair<std::string_view, DType>, 6> kNames = {{
      {"bfloat16", DType::kBF16},
      {"float16", DType::kF16},
      {"half", DType::kF16},
      {"float32", DType::kF32},
      {"float", DType::kF32},
      {"float8_e4m3fn", DType::kF8E4M3},
  }};
  std::string_view name = value->is_string() ? std::string_view(value->as_string()) : "";
  if (name.starts_with("torch.")) name.remove_prefix(6);
  for (const auto& [spelling, dtype] : kNames) {
    if (spelling == name) {
      config.torch_dtype = dtype;
      return;
    }
  }
  problems.invalid(
      key, "expected bfloat16, float16, float32 or float8_e4m3fn, found " + describe(*value));
}

}  // namespace fathom
