#include <fmt/format.h>

#include <map>

#include "config/model/model_config_enums.h"
#include "config/model/model_config_fields.h"
#include "config/model/model_config_load.h"
#include "io/json.h"

namespace fathom {
namespace {

using io::JsonArray;
using io::JsonObject;
using io::JsonValue;

/// The shortest decimal that reads back as this float, as a double: 1e-06 and not 9.99999997e-07.
double shortest(float value) { return std::stod(fmt::format("{}", value)); }

/// A member as JSON. The value that stands for "none" (0 where the key may be null, -1) is null.
struct FieldWriter {
  const ModelConfig& config;
  const ModelConfigField& field;

  JsonValue operator()(i64 ModelConfig::*member) const {
    const i64 value = config.*member;
    const bool none = value < 0 || (value == 0 && field.presence == Presence::kRequiredOrNull);
    return none ? JsonValue() : JsonValue(value);
  }
  JsonValue operator()(float ModelConfig::*member) const { return shortest(config.*member); }
  JsonValue operator()(ScoringFunc ModelConfig::*member) const { return to_string(config.*member); }
  JsonValue operator()(TopkMethod ModelConfig::*member) const { return to_string(config.*member); }
  template <typename T>
  JsonValue operator()(T ModelConfig::*member) const {
    return config.*member;
  }
};

JsonValue rope_scaling_json(const RopeScaling& scaling) {
  JsonObject object;
  object.set("type", to_string(scaling.type));
  object.set("rope_type", to_string(scaling.type));
  object.set("factor", scaling.factor);
  if (scaling.type != RopeType::kLinear) {
    object.set("original_max_position_embeddings", scaling.original_max_position_embeddings);
  }
  if (scaling.type == RopeType::kYarn) {
    object.set("beta_fast", scaling.beta_fast);
    object.set("beta_slow", scaling.beta_slow);
    if (scaling.mscale != 0.0) object.set("mscale", scaling.mscale);
    if (scaling.mscale_all_dim != 0.0) object.set("mscale_all_dim", scaling.mscale_all_dim);
    if (scaling.attention_factor) object.set("attention_factor", *scaling.attention_factor);
  }
  if (scaling.type == RopeType::kLlama3) {
    object.set("low_freq_factor", scaling.low_freq_factor);
    object.set("high_freq_factor", scaling.high_freq_factor);
  }
  return object;
}

JsonValue token_ids_json(const std::vector<i64>& ids) {
  if (ids.empty()) return {};
  if (ids.size() == 1) return ids[0];
  return JsonArray(ids.begin(), ids.end());
}

std::string_view dtype_text(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return "float32";
    case DType::kF16:
      return "float16";
    case DType::kF8E4M3:
      return "float8_e4m3fn";
    default:
      return "bfloat16";
  }
}

JsonValue quantization_json(const QuantizationConfig& quantization) {
  if (quantization.is_compressed_tensors()) return compressed_tensors_json(quantization);
  JsonObject object;
  object.set("activation_scheme", quantization.activation_scheme);
  object.set("fmt", quantization.fmt);
  if (!quantization.ignore.empty()) {
    object.set("modules_to_not_convert",
               JsonArray(quantization.ignore.begin(), quantization.ignore.end()));
  }
  object.set("quant_method", quantization.quant_method);
  if (!quantization.scale_fmt.empty()) object.set("scale_fmt", quantization.scale_fmt);
  object.set("weight_block_size", JsonArray(quantization.weight_block_size.begin(),
                                            quantization.weight_block_size.end()));
  return object;
}

std::string text_of(JsonObject object) { return io::write_json(std::move(object), 2) + "\n"; }

}  // namespace

std::string to_json(const ModelConfig& config) {
  std::map<std::string, JsonValue, std::less<>> sorted;
  for (const ModelConfigField& field : model_config_fields()) {
    if ((field.used_by & architecture_bit(config.architecture)) == 0) continue;
    const FieldWriter writer{config, field};
    sorted.emplace(field.name,
                   std::visit([&writer](auto member) { return writer(member); }, field.member));
  }
  sorted.emplace("architectures", JsonArray{JsonValue(to_string(config.architecture))});
  sorted.emplace("model_type", config.model_type);
  sorted.emplace("eos_token_id", token_ids_json(config.eos_token_id));
  sorted.emplace("rope_theta", config.rope_theta);
  sorted.emplace("rope_scaling",
                 config.rope_scaling ? rope_scaling_json(*config.rope_scaling) : JsonValue());
  sorted.emplace("torch_dtype", dtype_text(config.torch_dtype));
  if (config.quantization_config) {
    sorted.emplace("quantization_config", quantization_json(*config.quantization_config));
  }
  JsonObject object;
  for (auto& [key, value] : sorted) object.set(key, std::move(value));
  return text_of(std::move(object));
}

Result<std::string> with_storage(std::string_view config_text, DType torch_dtype,
                                 const std::optional<QuantizationConfig>& quantization,
                                 const std::string& where) {
  auto json = io::parse_json(config_text, where);
  if (!json) return tl::unexpected(std::move(json.error()));
  if (!json->is_object()) {
    return invalid_input(where + ": expected an object, found " + io::describe(*json));
  }
  JsonObject& object = json->as_object();
  object.set(object.find("dtype") != nullptr ? "dtype" : "torch_dtype", dtype_text(torch_dtype));
  object.erase("quantization_config");
  object.erase("compression_config");  // another name of it
  if (quantization) object.set("quantization_config", quantization_json(*quantization));
  return text_of(std::move(object));
}

}  // namespace fathom
