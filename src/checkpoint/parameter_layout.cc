#include "checkpoint/parameter_layout.h"

#include "base/checked_math.h"

namespace fathom::checkpoint {
namespace {

constexpr i64 kSlotAlignment = 16;  // elements: one cache line

}  // namespace

ParameterLayout::ParameterLayout(const ModelConfig& config)
    : ParameterLayout(config, [](const Parameter&) { return true; }) {}

ParameterLayout::ParameterLayout(const ModelConfig& config,
                                 const std::function<bool(const Parameter&)>& keep) {
  i64 model_size = 0;
  for_each_parameter(config, [&](const Parameter& parameter) {
    if (parameter.shared_copy) return;
    const i64 elements = round_up(parameter.elements(), kSlotAlignment);
    model_size += elements;
    if (!keep(parameter)) return;
    const bool matrix =
        parameter.kind == ParameterKind::kMatrix || parameter.kind == ParameterKind::kMatrixBf16;
    by_name_.emplace(parameter.name, slots_.size());
    slots_.push_back({.parameter = parameter,
                      .offset = size_,
                      .model_offset = model_size - elements,
                      .weight_decay = matrix,
                      .has_gradient = parameter.kind != ParameterKind::kRouterBias});
    size_ += elements;
  });
}

const ParameterSlot* ParameterLayout::find(std::string_view name) const {
  const auto found = by_name_.find(std::string(name));
  return found == by_name_.end() ? nullptr : &slots_[found->second];
}

const ParameterSlot& ParameterLayout::require(std::string_view name, size_t axes) const {
  const ParameterSlot* slot = find(name);
  FATHOM_CHECK(slot != nullptr, "no parameter ", name);
  FATHOM_CHECK(slot->parameter.shape.size() == axes, name, " has ", slot->parameter.shape.size(),
               " axes, viewed with ", axes);
  return *slot;
}

View<float, 2> ParameterLayout::matrix(float* array, std::string_view name) const {
  const ParameterSlot& slot = require(name, 2);
  return {array + slot.offset, {slot.parameter.shape[0], slot.parameter.shape[1]}};
}

View<float, 1> ParameterLayout::vector(float* array, std::string_view name) const {
  const ParameterSlot& slot = require(name, 1);
  return {array + slot.offset, {slot.parameter.shape[0]}};
}

View<const float, 2> ParameterLayout::matrix(const float* array, std::string_view name) const {
  const ParameterSlot& slot = require(name, 2);
  return {array + slot.offset, {slot.parameter.shape[0], slot.parameter.shape[1]}};
}

View<const float, 1> ParameterLayout::vector(const float* array, std::string_view name) const {
  const ParameterSlot& slot = require(name, 1);
  return {array + slot.offset, {slot.parameter.shape[0]}};
}

}  // namespace fathom::checkpoint
