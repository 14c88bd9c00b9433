#pragma once
// Where each trained tensor lies in a flat f32 array. Weights, gradients, moments and averages
// share one layout, so an optimizer step is one pass over flat arrays, and a tensor is found by its
// checkpoint name. Made from the one enumeration of parameters (config/parameter_list.h).
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "config/model/model_config.h"
#include "config/model/parameter_list.h"
#include "tensor/view.h"

namespace fathom::checkpoint {

struct ParameterSlot {
  Parameter parameter;
  i64 offset = 0;             // elements from the array's beginning; a multiple of 16
  i64 model_offset = 0;       // the same in the layout of the whole model: what ranks agree on
  bool weight_decay = false;  // matrices only: no norm, no bias
  bool has_gradient = true;   // false: e_score_correction_bias, which the balance rule moves
};

class ParameterLayout {
 public:
  /// MTP's copies of embedding and head are no slots of their own: they are the main model's.
  explicit ParameterLayout(const ModelConfig& config);
  /// The part of a model that one rank holds: only parameters that `keep` names have a slot.
  ParameterLayout(const ModelConfig& config, const std::function<bool(const Parameter&)>& keep);

  std::span<const ParameterSlot> slots() const { return slots_; }
  /// Elements of one array: slots and the zeros that pad them to 16.
  i64 size() const { return size_; }
  const ParameterSlot* find(std::string_view name) const;

  /// The slot's part of an array of size() elements. Throws InternalError for an unknown name or
  /// another number of axes.
  View<float, 2> matrix(float* array, std::string_view name) const;
  View<float, 1> vector(float* array, std::string_view name) const;
  View<const float, 2> matrix(const float* array, std::string_view name) const;
  View<const float, 1> vector(const float* array, std::string_view name) const;

 private:
  const ParameterSlot& require(std::string_view name, size_t axes) const;

  std::vector<ParameterSlot> slots_;
  std::unordered_map<std::string, size_t> by_name_;
  i64 size_ = 0;
};

}  // namespace fathom::checkpoint
