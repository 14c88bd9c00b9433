#include "checkpoint/storage.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <set>

#include "base/check.h"
#include "config/model/quantization_targets.h"

namespace fathom::checkpoint {

std::string to_string(const Storage& storage) {
  if (storage.bits == 0) return std::string(dtype_name(storage.dtype));
  return fmt::format("INT{} in groups of {}", storage.bits, storage.group_size);
}

const Storage& ModelStorage::of(ModelPart role) const {
  switch (role) {
    case ModelPart::kAttention:
      return attention ? *attention : linear;
    case ModelPart::kRoutedExperts:
      return routed_experts ? *routed_experts : linear;
    case ModelPart::kSharedExperts:
      return shared_experts ? *shared_experts : linear;
    case ModelPart::kDenseFfn:
      return dense_ffn ? *dense_ffn : linear;
    default:
      return linear;
  }
}

bool ModelStorage::any_is(DType dtype) const {
  return linear.dtype == dtype ||
         std::ranges::any_of(
             std::array{attention, routed_experts, shared_experts, dense_ffn},
             [dtype](const std::optional<Storage>& part) { return part && part->dtype == dtype; });
}

bool ModelStorage::is_compressed_tensors() const { return any_is(DType::kI32); }
bool ModelStorage::has_fp8() const { return any_is(DType::kF8E4M3); }

bool may_be_quantised(const Parameter& parameter) {
  return parameter.kind == ParameterKind::kMatrix ||
         (parameter.kind == ParameterKind::kMatrixBf16 && parameter.role != ModelPart::kRouter);
}

DType stored_dtype(ParameterKind kind, DType target) {
  FATHOM_CHECK(target == DType::kF32 || target == DType::kBF16 || target == DType::kF8E4M3,
               "checkpoints are not written as ", dtype_name(target));
  if (target == DType::kF32 || kind == ParameterKind::kRouterBias) return DType::kF32;
  return kind == ParameterKind::kMatrix ? target : DType::kBF16;
}

Storage storage_of(const Parameter& parameter, const ModelStorage& target) {
  const bool head = target.head &&
                    (parameter.part == ModelPart::kHead || parameter.part == ModelPart::kEmbedding);
  const Storage& wanted = target.of(parameter.role);
  if (parameter.kind != ParameterKind::kMatrix && !head) {
    const bool f32 = target.linear.dtype == DType::kF32;
    return {.dtype = stored_dtype(parameter.kind, f32 ? DType::kF32 : DType::kBF16)};
  }
  if (wanted.dtype == DType::kF8E4M3) {
    return {.dtype = wanted.dtype, .named_weight_scale = target.is_compressed_tensors()};
  }
  if (wanted.dtype != DType::kI32) return {.dtype = wanted.dtype};
  for (const i64 group : {wanted.group_size, i64{32}}) {
    if (parameter.shape[1] % group == 0) {
      return {.dtype = DType::kI32, .bits = wanted.bits, .group_size = group};
    }
  }
  return {.dtype = DType::kBF16};
}

namespace {

/// Sorts a model's linear layers by how they are stored, and names each lot.
class StorageLists {
 public:
  StorageLists(const ModelConfig& config, const ModelStorage& target) : target_(target) {
    for_each_parameter(config, [this](const Parameter& parameter) {
      if (!is_linear(parameter)) return;
      const Storage storage = storage_of(parameter, target_);
      lot_of(storage).modules += 1;
      const size_t role = static_cast<size_t>(parameter.role);
      if (!first_of_part_[role]) first_of_part_[role] = storage;
      if (*first_of_part_[role] != storage) uneven_.insert(parameter.role);
    });
    for_each_parameter(config, [this](const Parameter& parameter) {
      if (is_linear(parameter)) name(parameter);
    });
  }

  QuantizationConfig compressed_tensors() {
    QuantizationConfig quantization;
    quantization.quant_method = "compressed-tensors";
    const Lot* most = most_quantised();
    for (Lot& lot : lots_) {
      if (!lot.storage.is_quantised()) {
        std::ranges::move(lot.names, std::back_inserter(quantization.ignore));
        continue;
      }
      QuantizationGroup group = {.is_fp8 = lot.storage.dtype == DType::kF8E4M3};
      if (!group.is_fp8) {
        group.num_bits = lot.storage.bits;
        group.group_size = lot.storage.group_size;
      }
      if (&lot != most) group.targets = std::move(lot.names);
      quantization.groups.push_back(std::move(group));
    }
    return quantization;
  }

 private:
  /// The layers that are stored alike.
  struct Lot {
    Storage storage;
    i64 modules = 0;
    std::vector<std::string> names = {};  // of modules, or of whole parts
  };

  /// What `compressed-tensors` may find: the embedding is no Linear.
  static bool is_linear(const Parameter& parameter) {
    return parameter.shape.size() == 2 && parameter.part != ModelPart::kEmbedding;
  }

  Lot& lot_of(const Storage& storage) {
    const auto found = std::ranges::find(lots_, storage, &Lot::storage);
    return found != lots_.end() ? *found : lots_.emplace_back(Lot{.storage = storage});
  }

  void name(const Parameter& parameter) {
    std::string name(target_of(parameter.role));
    if (name.empty() || uneven_.contains(parameter.role)) name = module_of(parameter);
    if (named_.insert(name).second) {
      lot_of(storage_of(parameter, target_)).names.push_back(std::move(name));
    }
  }

  const Lot* most_quantised() const {
    const Lot* most = nullptr;
    for (const Lot& lot : lots_) {
      if (!lot.storage.is_quantised()) continue;
      if (most == nullptr || lot.modules > most->modules) most = &lot;
    }
    return most;
  }

  const ModelStorage& target_;
  std::vector<Lot> lots_;
  std::array<std::optional<Storage>, kNumModelParts> first_of_part_;
  std::set<ModelPart> uneven_;  // parts whose layers are not all stored alike
  std::set<std::string> named_;
};

/// DeepSeek's form. Names what is not FP8 as its readers look it up: each linear layer, but a
/// layer's routed experts together.
QuantizationConfig released_config(const ModelConfig& config, const ModelStorage& target,
                                   ops::ScaleFormat scale_format) {
  QuantizationConfig quantization;
  if (scale_format == ops::ScaleFormat::kUe8m0) quantization.scale_fmt = "ue8m0";
  for_each_parameter(config, [&](const Parameter& parameter) {
    const Storage storage = storage_of(parameter, target);
    if (parameter.kind != ParameterKind::kMatrix || storage.is_quantised()) return;
    std::string name = module_of(parameter);
    if (parameter.expert >= 0)
      name.resize(name.rfind(".experts.") + std::string(".experts").size());
    auto& ignore = quantization.ignore;
    if (ignore.empty() || ignore.back() != name) ignore.push_back(std::move(name));
  });
  return quantization;
}

bool any_fp8(const ModelConfig& config, const ModelStorage& target) {
  bool found = false;
  for_each_parameter(config, [&](const Parameter& parameter) {
    found = found || storage_of(parameter, target).dtype == DType::kF8E4M3;
  });
  return found;
}

}  // namespace

ModelConfig with_storage(ModelConfig config, const ModelStorage& target,
                         ops::ScaleFormat scale_format) {
  config.torch_dtype = target.linear.dtype == DType::kF32 ? DType::kF32 : DType::kBF16;
  config.quantization_config.reset();
  if (target.is_compressed_tensors()) {
    QuantizationConfig quantization = StorageLists(config, target).compressed_tensors();
    if (!quantization.groups.empty()) config.quantization_config = std::move(quantization);
  } else if (any_fp8(config, target)) {
    config.quantization_config = released_config(config, target, scale_format);
  }
  return config;
}

}  // namespace fathom::checkpoint
