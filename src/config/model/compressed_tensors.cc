// quantization_config of `compressed-tensors`: packed integer weights in groups, FP8 weights in
// 128x128 blocks, and nothing else. Source: the package's QuantizationConfig, QuantizationArgs and
// its preset FP8_BLOCK.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "config/model/model_config_load.h"
#include "io/json.h"

namespace fathom {
namespace {

using io::describe;
using io::JsonArray;
using io::JsonObject;
using io::JsonValue;

constexpr std::string_view kPacked = "pack-quantized", kFloat = "float-quantized",
                           kMixed = "mixed-precision";

std::string_view format_of(const QuantizationGroup& group) {
  return group.is_fp8 ? kFloat : kPacked;
}

/// Of the whole config: the groups' own where they agree.
std::string_view format_of(const QuantizationConfig& quantization) {
  if (!quantization.has_fp8()) return kPacked;
  return quantization.has_integers() ? kMixed : kFloat;
}

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
  /// Must be there and equal one of `wanted`.
  std::string_view text(const char* key, std::initializer_list<std::string_view> wanted) {
    const JsonValue* value = object_.find(key);
    std::string list;
    for (const std::string_view one : wanted) {
      if (value != nullptr && value->is_string() && value->as_string() == one) return one;
      list += fmt::format("{}{}", list.empty() ? "" : " or ", one);
    }
    refuse(key, value, list);
    return *wanted.begin();
  }
  void optional_text(const char* key, std::string_view wanted) {
    const JsonValue* value = object_.find(key);
    if (value != nullptr && !value->is_null()) text(key, {wanted});
  }
  /// Must be there and be written so.
  void json(const char* key, std::string_view wanted) {
    const JsonValue* value = object_.find(key);
    if (value != nullptr && io::write_json(*value) == wanted) return;
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
    return read_texts(object_, prefix_, key, problems_);
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

/// What both kinds of weights have in common.
void read_symmetric(Reader& args) {
  args.flag("symmetric", true, /*when_absent=*/true);
  args.flag("dynamic", false, /*when_absent=*/false);
  args.nothing("actorder");
}

void read_integers(Reader& args, QuantizationGroup& group) {
  group.num_bits = static_cast<int>(args.integer("num_bits", {4, 8}));
  group.group_size = args.integer("group_size", {32, 128});
  args.text("strategy", {"group"});
  args.nothing("block_structure");
  read_symmetric(args);
}

void read_blocks(Reader& args) {
  args.integer("num_bits", {8});
  args.nothing("group_size");
  args.text("strategy", {"block"});
  args.json("block_structure", "[128,128]");
  read_symmetric(args);
}

/// The input of FP8 weights: none, or as DeepSeek-V3 has it. How fathom runs is its own option.
void read_block_activations(const JsonValue& json, const std::string& prefix, Problems& problems) {
  const JsonValue* input = json.find("input_activations");
  if (input == nullptr || !input->is_object()) {
    return Reader(json, prefix, problems).nothing("input_activations");
  }
  Reader args(*input, prefix + "input_activations.", problems);
  args.integer("num_bits", {8});
  args.integer("group_size", {128});
  args.text("type", {"float"});
  args.text("strategy", {"group"});
  args.flag("symmetric", true, /*when_absent=*/true);
  args.flag("dynamic", true, /*when_absent=*/false);
}

QuantizationGroup read_group(const JsonValue& json, const std::string& prefix, Problems& problems) {
  QuantizationGroup group;
  Reader reader(json, prefix, problems);
  group.targets = reader.texts("targets");
  reader.nothing("output_activations");
  const JsonValue* weights = json.find("weights");
  if (weights == nullptr || !weights->is_object()) {
    problems.invalid(prefix + "weights", weights == nullptr
                                             ? std::string("missing")
                                             : "expected an object, found " + describe(*weights));
    return group;
  }
  Reader args(*weights, prefix + "weights.", problems);
  group.is_fp8 = args.text("type", {"int", "float"}) == "float";
  reader.optional_text("format", format_of(group));
  if (group.is_fp8) {
    read_block_activations(json, prefix, problems);
    read_blocks(args);
  } else {
    reader.nothing("input_activations");
    read_integers(args, group);
  }
  return group;
}

JsonValue weights_json(const QuantizationGroup& group) {
  JsonObject weights;
  weights.set("actorder", JsonValue());
  weights.set("block_structure", group.is_fp8 ? JsonValue(JsonArray{128, 128}) : JsonValue());
  weights.set("dynamic", false);
  weights.set("group_size", group.is_fp8 ? JsonValue() : JsonValue(group.group_size));
  weights.set("num_bits", group.is_fp8 ? 8 : group.num_bits);
  weights.set("observer", "minmax");
  weights.set("strategy", group.is_fp8 ? "block" : "group");
  weights.set("symmetric", true);
  weights.set("type", group.is_fp8 ? "float" : "int");
  return weights;
}

/// The input of FP8 blocks, as the preset FP8_BLOCK has it: DeepSeek-V3's 1x128 tiles.
JsonValue block_activations_json() {
  JsonObject input;
  input.set("dynamic", true);
  input.set("group_size", 128);
  input.set("num_bits", 8);
  input.set("strategy", "group");
  input.set("symmetric", true);
  input.set("type", "float");
  return input;
}

}  // namespace

bool QuantizationConfig::has_fp8() const {
  return !is_compressed_tensors() || std::ranges::any_of(groups, &QuantizationGroup::is_fp8);
}

bool QuantizationConfig::has_integers() const {
  return is_compressed_tensors() && !std::ranges::all_of(groups, &QuantizationGroup::is_fp8);
}

void read_compressed_tensors(const JsonValue& json, const std::string& prefix,
                             QuantizationConfig& quantization, Problems& problems) {
  Reader reader(json, prefix, problems);
  reader.text("format", {kPacked, kFloat, kMixed});
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

JsonValue compressed_tensors_json(const QuantizationConfig& quantization) {
  JsonObject groups;
  for (size_t i = 0; i < quantization.groups.size(); ++i) {
    const QuantizationGroup& group = quantization.groups[i];
    JsonObject entry;
    entry.set("format", format_of(group));
    entry.set("input_activations", group.is_fp8 ? block_activations_json() : JsonValue());
    entry.set("output_activations", JsonValue());
    entry.set("targets", JsonArray(group.targets.begin(), group.targets.end()));
    entry.set("weights", weights_json(group));
    groups.set(fmt::format("group_{}", i), std::move(entry));
  }
  JsonObject object;
  object.set("config_groups", std::move(groups));
  object.set("format", format_of(quantization));
  object.set("ignore", JsonArray(quantization.ignore.begin(), quantization.ignore.end()));
  object.set("kv_cache_scheme", JsonValue());
  object.set("quant_method", "compressed-tensors");
  object.set("quantization_status", "compressed");
  return object;
}

}  // namespace fathom
