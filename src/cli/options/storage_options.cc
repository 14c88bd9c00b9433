#include "cli/options/storage_options.h"

#include <fmt/format.h>

#include <array>
#include <vector>

#include "base/error.h"

namespace fathom::cli {
namespace {

constexpr i64 kInt8GroupSize = 128;

/// An option that speaks for one part of the model.
struct PartOption {
  const char* name;
  const char* what;
  ModelPart role;
  std::string StorageOptions::*type;
  std::optional<checkpoint::Storage> checkpoint::ModelStorage::*storage;
};
const std::array<PartOption, 4> kPartOptions = {{
    {"--attention", "attention", ModelPart::kAttention, &StorageOptions::attention,
     &checkpoint::ModelStorage::attention},
    {"--experts", "routed experts", ModelPart::kRoutedExperts, &StorageOptions::experts,
     &checkpoint::ModelStorage::routed_experts},
    {"--shared-experts", "shared experts", ModelPart::kSharedExperts,
     &StorageOptions::shared_experts, &checkpoint::ModelStorage::shared_experts},
    {"--dense", "dense feed-forwards", ModelPart::kDenseFfn, &StorageOptions::dense,
     &checkpoint::ModelStorage::dense_ffn},
}};

i64 group_size_of(const StorageOptions& options, const std::string& type) {
  if (options.group_size != 0) return options.group_size;
  return type == "int4" ? options.int4_group_size : kInt8GroupSize;
}

checkpoint::Storage storage_of(const StorageOptions& options, const std::string& type) {
  if (type == "f32") return {.dtype = DType::kF32};
  if (type == "fp8") return {.dtype = DType::kF8E4M3};
  if (type == "int8" || type == "int4") {
    return {.dtype = DType::kI32,
            .bits = type == "int8" ? 8 : 4,
            .group_size = group_size_of(options, type)};
  }
  return {.dtype = DType::kBF16};
}

bool has_part(const ModelConfig& config, ModelPart role) {
  bool found = false;
  for_each_parameter(config, [&](const Parameter& parameter) {
    found = found || (parameter.role == role && parameter.kind == ParameterKind::kMatrix);
  });
  return found;
}

}  // namespace

void add_storage_options(Arguments& command, StorageOptions& options, const char* name,
                         const char* help) {
  const std::vector<std::string> types = {"f32", "bf16", "fp8", "int8", "int4"};
  command.add_option(name, options.linear, help).one_of(types).show_default();
  for (const PartOption& part : kPartOptions) {
    command
        .add_option(part.name, options.*part.type,
                    fmt::format("The {} in another type than {}", part.what, name))
        .one_of(types);
  }
  command
      .add_option("--group-size", options.group_size,
                  fmt::format("Columns of a row that share a scale, in every part that is int8 or "
                              "int4; default: {} in int8, {} in int4",
                              kInt8GroupSize, options.int4_group_size))
      .one_of({"32", "128"});
  command.add_flag(
      "--quantize-head", options.quantize_head,
      fmt::format("Embedding and head as {} says, too; by default they keep BF16", name));
}

checkpoint::ModelStorage model_storage(const StorageOptions& options, const ModelConfig& config) {
  checkpoint::ModelStorage storage = {.linear = storage_of(options, options.linear),
                                      .head = options.quantize_head};
  for (const PartOption& part : kPartOptions) {
    const std::string& type = options.*part.type;
    if (type.empty()) continue;
    if (!has_part(config, part.role)) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("{} {}: this model has no {}", part.name, type, part.what));
    }
    storage.*part.storage = storage_of(options, type);
  }
  return storage;
}

std::string describe(const StorageOptions& options) {
  const auto type_text = [&](const std::string& type) {
    return type.starts_with("int") ? fmt::format("{} g{}", type, group_size_of(options, type))
                                   : type;
  };
  std::string text = type_text(options.linear);
  for (const PartOption& part : kPartOptions) {
    const std::string& type = options.*part.type;
    if (!type.empty()) text += fmt::format(", {} {}", part.what, type_text(type));
  }
  return options.quantize_head ? text + ", head too" : text;
}

}  // namespace fathom::cli
