#include "config/model/model_config_load.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/text.h"
#include "config/model/model_config_enums.h"
#include "config/model/model_config_fields.h"
#include "config/model/token_ids.h"
#include "config/model/whole_number.h"
#include "io/downloaded.h"
#include "io/json.h"

namespace fathom {
namespace {

using io::describe;
using io::JsonValue;

constexpr io::JsonLimits kConfigLimits = {
    .max_bytes = i64{4} << 20, .max_depth = 32, .max_values = 100'000};

/// Reads one kind of member; false if the value has the wrong kind (then `expected` says which).
struct FieldReader {
  const JsonValue& value;
  ModelConfig& config;
  std::string expected;

  bool operator()(i64 ModelConfig::*member) {
    expected = "an integer";
    const auto number = whole_number(value);
    if (number) config.*member = *number;
    return number.has_value();
  }
  bool operator()(float ModelConfig::*member) {
    expected = "a number";
    if (!value.is_number()) return false;
    const double number = value.as_number();
    const bool fits = std::abs(number) <= static_cast<double>(std::numeric_limits<float>::max());
    config.*member = fits ? static_cast<float>(number) : std::numeric_limits<float>::infinity();
    return true;
  }
  bool operator()(double ModelConfig::*member) {
    expected = "a number";
    if (!value.is_number()) return false;
    config.*member = value.as_number();
    return true;
  }
  bool operator()(bool ModelConfig::*member) {
    expected = "true or false";
    const auto number = whole_number(value);  // 0 and 1, as Python's own readers take them
    if (!value.is_bool() && number != 0 && number != 1) return false;
    config.*member = value.is_bool() ? value.as_bool() : number == 1;
    return true;
  }
  bool operator()(std::string ModelConfig::*member) {
    expected = "a string";
    if (!value.is_string()) return false;
    config.*member = value.as_string();
    return true;
  }
  bool operator()(ScoringFunc ModelConfig::*member) { return read_enum(member, kScoringFuncNames); }
  bool operator()(TopkMethod ModelConfig::*member) { return read_enum(member, kTopkMethodNames); }

  template <typename E, size_t N>
  bool read_enum(E ModelConfig::*member, const std::array<EnumName<E>, N>& table) {
    expected = list_of(table);
    if (!value.is_string()) return false;
    const auto named = value_of(table, value.as_string());
    if (named) config.*member = *named;
    return named.has_value();
  }
};

/// A hint where a required key is missing and a similar one stands there.
std::string similar_key(const JsonValue& json, std::string_view wanted) {
  std::vector<std::string_view> unknown;
  const auto fields = model_config_fields();
  for (const auto& [key, value] : json.as_object()) {
    const bool known = std::any_of(fields.begin(), fields.end(),
                                   [&key = key](const auto& field) { return field.name == key; });
    if (!known && key.size() < 64) unknown.push_back(key);
    if (unknown.size() == 200) break;
  }
  const std::string nearest = nearest_name(wanted, unknown);
  return nearest.empty() ? "" : fmt::format("; the file has `{}`", nearest);
}

/// transformers 5 knows these keys under further names.
const JsonValue* find_field(const JsonValue& json, std::string_view name) {
  const JsonValue* value = json.find(name);
  if (value != nullptr) return value;
  if (name == "n_routed_experts") {
    value = json.find("num_local_experts");
    return value != nullptr ? value : json.find("num_experts");
  }
  if (name == "num_nextn_predict_layers") return json.find("num_mtp_layers");
  return nullptr;
}

void read_field(const JsonValue& json, const ModelConfigField& field, ModelConfig& config,
                Problems& problems) {
  const JsonValue* value = find_field(json, field.name);
  if (value == nullptr || value->is_null()) {
    if (field.presence == Presence::kRequired ||
        (field.presence == Presence::kRequiredOrNull && value == nullptr)) {
      problems.invalid(field.name, value == nullptr ? "missing" + similar_key(json, field.name)
                                                    : std::string("null"));
    }
    return;
  }
  FieldReader reader{*value, config, {}};
  if (!std::visit([&reader](auto member) { return reader(member); }, field.member)) {
    problems.invalid(field.name,
                     fmt::format("expected {}, found {}", reader.expected, describe(*value)));
  }
}

/// What DeepSeek-V3's own config class and transformers' take where a key is absent, in a model
/// with experts. (A key that is null says "none", which read_field does not come here for.)
void set_published_defaults(const JsonValue& json, ModelConfig& config) {
  const JsonValue* experts = find_field(json, "n_routed_experts");
  if (config.architecture != Architecture::kDeepseekV3 || experts == nullptr) return;
  if (experts->is_null() || whole_number(*experts) == 0) return;
  const auto set = [&json](const char* key, auto& field, auto value) {
    if (json.find(key) == nullptr) field = value;
  };
  set("n_shared_experts", config.n_shared_experts, 1);
  set("num_experts_per_tok", config.num_experts_per_tok, 8);
  set("n_group", config.n_group, 8);
  set("topk_group", config.topk_group, 4);
  set("routed_scaling_factor", config.routed_scaling_factor, 2.5f);
}

/// Keys whose absence means a value computed from others. Where those are wrong themselves, any
/// legal value will do: the file is refused anyway, and once is enough.
void derive_absent(const JsonValue& json, ModelConfig& config, Problems& problems) {
  const i64 heads = config.num_attention_heads;
  const bool heads_are_known = !problems.has("num_attention_heads") && heads > 0;
  const JsonValue* kv_heads = json.find("num_key_value_heads");
  if (config.num_key_value_heads == 0 || (kv_heads != nullptr && kv_heads->is_null())) {
    config.num_key_value_heads = heads_are_known ? heads : 1;
  }
  if (config.is_mla() || config.head_dim != 0) return;
  const i64 hidden = config.hidden_size;
  if (!heads_are_known || problems.has("hidden_size") || hidden < 1) {
    config.head_dim = 2;
  } else if (hidden % heads == 0) {
    config.head_dim = hidden / heads;
  } else {
    problems.invalid("head_dim", fmt::format("missing, and num_attention_heads {} does not divide "
                                             "hidden_size {}",
                                             heads, hidden));
  }
}

}  // namespace

ModelConfig read_model_config(const JsonValue& json, Architecture architecture,
                              Problems& problems) {
  ModelConfig config = default_model_config(architecture);
  if (const JsonValue* type = json.find("model_type"); type != nullptr && type->is_string()) {
    config.model_type = type->as_string();
  }
  set_published_defaults(json, config);
  for (const ModelConfigField& field : model_config_fields()) {
    if ((field.used_by & architecture_bit(architecture)) == 0) continue;
    read_field(json, field, config, problems);
  }
  read_rope(json, config, problems);
  config.eos_token_id = read_token_ids(json, "eos_token_id", problems);
  read_dtype(json, config, problems);
  read_quantization(json, config, problems);
  derive_absent(json, config, problems);
  return config;
}

Result<ModelConfig> parse_model_config(std::string_view text, const std::string& where) {
  auto json = io::parse_json(text, where, kConfigLimits);
  if (!json) return tl::unexpected(std::move(json.error()));
  if (!json->is_object()) {
    return invalid_input(fmt::format("{}: expected an object, found {}", where, describe(*json)));
  }
  Problems problems;
  const auto architecture = read_architecture(*json, problems);
  if (!architecture) {
    check_foreign_keys(*json, problems);  // what is not supported is told at once
    return tl::unexpected(problems.error(where));
  }
  ModelConfig config = read_model_config(*json, *architecture, problems);
  check_foreign_keys(*json, problems);
  check_sliding_window(*json, config, problems);
  check_model_config(config, problems);
  if (!problems.empty()) return tl::unexpected(problems.error(where));
  return config;
}

Result<ModelConfig> load_model_config(const std::filesystem::path& path) {
  std::error_code ignored;
  const std::filesystem::path file =
      std::filesystem::is_directory(path, ignored) ? path / "config.json" : path;
  auto text = io::read_downloaded(file, kConfigLimits.max_bytes);
  if (!text) return tl::unexpected(std::move(text.error()));
  return parse_model_config(*text, file.string());
}

}  // namespace fathom
