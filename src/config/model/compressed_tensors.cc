// quantization_config of `compressed-tensors`: packed integer weights in groups, FP8 weights in
// 128x128 blocks, and nothing else. Source: the package's QuantizationConfig, QuantizationArgs and
// its preset FP8_BLOCK.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "config/model/model_config_load.h"
#include "config/model/quantization_reader.h"
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

/// Calibration leaves what it did beside what it found; neither changes what weights mean.
void pass_over_calibration(QuantizationReader& args) {
  args.harmless({"observer", "observer_kwargs", "zp_dtype"});
  args.optional_text("scale_dtype", {"", "torch.bfloat16", "bfloat16", "torch.float16", "float16",
                                     "torch.float32", "float32"});
}

/// What both kinds of weights have in common. An order of columns that is "static" (also written
/// "weight") was undone before the weights were stored; others need the g_idx of each column.
void read_symmetric(QuantizationReader& args) {
  args.flag("symmetric", true, /*when_absent=*/true);
  args.flag("dynamic", false, /*when_absent=*/false);
  const JsonValue* order = args.find("actorder");
  if (order != nullptr && !is_empty(*order)) args.text("actorder", {"none", "static", "weight"});
  pass_over_calibration(args);
  args.refuse_unknown_keys();
}

/// Absent, it follows from a group_size.
void read_group_strategy(QuantizationReader& args) { args.optional_text("strategy", {"group"}); }

void read_integers(QuantizationReader& args, QuantizationGroup& group) {
  group.num_bits = static_cast<int>(args.integer("num_bits", {4, 8}));
  group.group_size = args.integer("group_size", {32, 128});
  read_group_strategy(args);
  args.nothing("block_structure");
  read_symmetric(args);
}

void read_block_structure(QuantizationReader& args) {
  const JsonValue* value = args.find("block_structure");
  const std::string found = value == nullptr ? "" : io::write_json(*value);
  if (found != "[128,128]" && found != "\"128x128\"") args.refuse("block_structure", "[128,128]");
}

void read_blocks(QuantizationReader& args) {
  args.integer("num_bits", {8});
  args.nothing("group_size");
  args.text("strategy", {"block"});
  read_block_structure(args);
  read_symmetric(args);
}

/// The input of FP8 weights: none, or as DeepSeek-V3 has it. How fathom runs is its own option.
void read_block_activations(QuantizationReader& group, Problems& problems) {
  const JsonValue* input = group.find("input_activations");
  if (input == nullptr || !input->is_object()) return group.nothing("input_activations");
  QuantizationReader args(*input, group.name_of("input_activations."), problems);
  args.integer("num_bits", {8});
  args.integer("group_size", {128});
  args.text("type", {"float"});
  read_group_strategy(args);
  args.flag("symmetric", true, /*when_absent=*/true);
  args.flag("dynamic", true, /*when_absent=*/false);
  args.nothing("actorder");
  args.nothing("block_structure");
  pass_over_calibration(args);
  args.refuse_unknown_keys();
}

QuantizationGroup read_group(const JsonValue& json, const std::string& prefix, Problems& problems) {
  QuantizationGroup group;
  QuantizationReader reader(json, prefix, problems);
  group.targets = reader.texts("targets");
  reader.nothing("output_activations");
  const JsonValue* weights = json.find("weights");
  if (weights == nullptr || !weights->is_object()) {
    problems.invalid(prefix + "weights", weights == nullptr
                                             ? std::string("missing")
                                             : "expected an object, found " + describe(*weights));
    return group;
  }
  reader.harmless({"weights"});  // read here
  QuantizationReader args(*weights, prefix + "weights.", problems);
  group.is_fp8 = args.text("type", {"int", "float"}) == "float";
  reader.optional_text("format", {format_of(group)});
  if (group.is_fp8) {
    read_block_activations(reader, problems);
    read_blocks(args);
  } else {
    reader.nothing("input_activations");
    read_integers(args, group);
  }
  reader.refuse_unknown_keys();
  return group;
}

/// Of weights that are stored whole ("dense") it says how many of them are zero.
void read_sparsity(QuantizationReader& reader) {
  const JsonValue* sparsity = reader.find("sparsity_config");
  if (sparsity == nullptr || is_empty(*sparsity)) return;
  const JsonValue* format = sparsity->find("format");
  const bool dense = format != nullptr && format->is_string() && format->as_string() == "dense";
  if (!dense) reader.refuse("sparsity_config", "null or the format dense");
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
  QuantizationReader reader(json, prefix, problems);
  reader.text("format", {kPacked, kFloat, kMixed});
  reader.nothing("kv_cache_scheme");
  reader.nothing("transform_config");
  read_sparsity(reader);
  reader.optional_text("quantization_status", {"compressed", "frozen"});
  reader.harmless(
      {"quant_method", "config_groups", "global_compression_ratio", "version", "run_compressed"});
  quantization.ignore = reader.texts("ignore");
  reader.refuse_unknown_keys();
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
