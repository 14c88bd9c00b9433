// quantization_config of `compressed-tensors`, format pack-quantized: integer weights in groups and
// nothing else. Source: the package's QuantizationConfig and QuantizationArgs.
#include <fmt/format.h>

#include <array>

#include "config/model_config_load.h"
#include "io/json.h"

namespace fathom {
namespace {

using io::describe;
using io::JsonArray;
using io::JsonObject;
using io::JsonValue;

constexpr std::string_view kFormat = "pack-quantized";

/// Collects what one object says; a wrong or unsupported value becomes a problem.
class Reader {
 public:
  Reader(const JsonValue& object, std::string prefix, Problems& problems)
      : object_(object), prefix_(std::move(prefix)), problems_(problems) {}

  /// Must be there and equal one of `wanted`.
  i64 integer(const char* key, std::initializer_list<i64> wanted) {
    const JsonValue* value = object_.find(key);
    std::string list;
    for (const i64 one : wanted) {
      if (value != nullptr && value->is_integer() && value->as_integer() == one) return one;
      list += fmt::format("{}{}", list.empty() ? "" : " or ", one);
    }
    refuse(key, value, list);
    return *wanted.begin();
  }
  void text(const char* key, std::string_view wanted) {
    const JsonValue* value = object_.find(key);
    if (value != nullptr && value->is_string() && value->as_string() == wanted) return;
    refuse(key, value, wanted);
  }
  void flag(const char* key, bool wanted, bool when_absent) {
    const JsonValue* value = object_.find(key);
    const bool absent = value == nullptr || value->is_null();
    if (absent ? when_absent == wanted : value->is_bool() && value->as_bool() == wanted) return;
    refuse(key, value, wanted ? "true" : "false");
  }
  /// Would change the result if it were ignored.
  void nothing(const char* key) {
    const JsonValue* value = object_.find(key);
    const bool empty = value == nullptr || value->is_null() ||
                       (value->is_bool() && !value->as_bool()) ||
                       (value->is_object() && value->as_object().empty());
    if (!empty) refuse(key, value, "null");
  }
  std::vector<std::string> texts(const char* key) {
    const JsonValue* value = object_.find(key);
    std::vector<std::string> result;
    if (value == nullptr || value->is_null()) return result;
    if (!value->is_array()) {
      problems_.invalid(prefix_ + key, "expected an array, found " + describe(*value));
      return result;
    }
    for (const JsonValue& entry : value->as_array()) {
      if (entry.is_string()) {
        result.push_back(entry.as_string());
      } else {
        problems_.invalid(prefix_ + key, "expected strings, found " + describe(entry));
      }
    }
    return result;
  }

 private:
  void refuse(const char* key, const JsonValue* value, std::string_view wanted) {
    problems_.unsupported(prefix_ + key,
                          fmt::format("only {} is supported, found {}", wanted,
                                      value == nullptr ? "nothing" : describe(*value)));
  }

  const JsonValue& object_;
  std::string prefix_;
  Problems& problems_;
};

PackedGroup read_group(const JsonValue& json, const std::string& prefix, Problems& problems) {
  PackedGroup group;
  Reader reader(json, prefix, problems);
  group.targets = reader.texts("targets");
  reader.nothing("input_activations");
  reader.nothing("output_activations");
  const JsonValue* weights = json.find("weights");
  if (weights == nullptr || !weights->is_object()) {
    problems.invalid(prefix + "weights", weights == nullptr
                                             ? std::string("missing")
                                             : "expected an object, found " + describe(*weights));
    return group;
  }
  Reader args(*weights, prefix + "weights.", problems);
  group.num_bits = static_cast<int>(args.integer("num_bits", {4, 8}));
  group.group_size = args.integer("group_size", {32, 128});
  args.text("type", "int");
  args.text("strategy", "group");
  args.flag("symmetric", true, /*when_absent=*/true);
  args.flag("dynamic", false, /*when_absent=*/false);
  args.nothing("actorder");
  args.nothing("block_structure");
  return group;
}

}  // namespace

void read_packed_quantization(const JsonValue& json, const std::string& prefix,
                              QuantizationConfig& quantization, Problems& problems) {
  Reader reader(json, prefix, problems);
  reader.text("format", kFormat);
  reader.nothing("kv_cache_scheme");
  reader.nothing("sparsity_config");
  quantization.ignore = reader.texts("ignore");
  const JsonValue* groups = json.find("config_groups");
  if (groups == nullptr || !groups->is_object() || groups->as_object().empty()) {
    problems.invalid(prefix + "config_groups",
                     groups == nullptr ? std::string("missing")
                                       : "expected an object, found " + describe(*groups));
    return;
  }
  for (const auto& [name, group] : groups->as_object()) {
    quantization.groups.push_back(
        read_group(group, fmt::format("{}config_groups.{}.", prefix, name), problems));
  }
}

JsonValue packed_quantization_json(const QuantizationConfig& quantization) {
  JsonObject groups;
  for (size_t i = 0; i < quantization.groups.size(); ++i) {
    const PackedGroup& group = quantization.groups[i];
    JsonObject weights;
    weights.set("actorder", JsonValue());
    weights.set("block_structure", JsonValue());
    weights.set("dynamic", false);
    weights.set("group_size", group.group_size);
    weights.set("num_bits", group.num_bits);
    weights.set("observer", "minmax");
    weights.set("strategy", "group");
    weights.set("symmetric", true);
    weights.set("type", "int");
    JsonObject entry;
    entry.set("format", kFormat);
    entry.set("input_activations", JsonValue());
    entry.set("output_activations", JsonValue());
    entry.set("targets", JsonArray(group.targets.begin(), group.targets.end()));
    entry.set("weights", std::move(weights));
    groups.set(fmt::format("group_{}", i), std::move(entry));
  }
  JsonObject object;
  object.set("config_groups", std::move(groups));
  object.set("format", kFormat);
  object.set("ignore", JsonArray(quantization.ignore.begin(), quantization.ignore.end()));
  object.set("kv_cache_scheme", JsonValue());
  object.set("quant_method", "compressed-tensors");
  object.set("quantization_status", "compressed");
  return object;
}

}  // namespace fathom
