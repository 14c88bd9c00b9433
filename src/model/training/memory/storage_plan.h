#pragma once
// Where the activations of one micro-batch lie. One walk over the layers with a StoragePlan gives
// their bytes by kind (no base) or the views themselves (with one), so that what is announced is
// what is used.
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/checked_math.h"
#include "config/run/training_recipe.h"
#include "model/exchange/expert_exchange.h"
#include "model/training/precision.h"
#include "ops/gemm/gemm.h"
#include "tensor/view.h"

namespace fathom::model::training {

/// What decides what a pass saves, and how.
struct PassShape {
  const ModelConfig& config;
  const TrainingRecipe& recipe;
  const Precision& precision;
  const ExchangeRoom* room = nullptr;  // of every MoE layer; nullptr: all experts are here
};

class StoragePlan {
 public:
  /// base nullptr: only measures; else storage of bytes() of an equal walk, 64-byte aligned.
  explicit StoragePlan(u8* base) : base_(base) {}

  /// `kind`: what the numbers are, for tables; its format is added.
  SavedMatrix matrix(std::string_view kind, SavedFormat format, i64 rows, i64 cols);

  template <typename T, typename... Dim>
  View<T, sizeof...(Dim)> array(std::string_view kind, Dim... dims) {
    const std::array<i64, sizeof...(Dim)> shape = {static_cast<i64>(dims)...};
    i64 count = 1;
    for (const i64 d : shape) count *= d;
    return {reinterpret_cast<T*>(take(kind, count * static_cast<i64>(sizeof(T)))), shape};
  }

  i64 bytes() const { return bytes_; }
  std::span<const std::pair<std::string, i64>> rows() const { return rows_; }

 private:
  u8* take(std::string_view kind, i64 bytes);

  u8* base_;
  i64 bytes_ = 0;
  std::vector<std::pair<std::string, i64>> rows_;  // kind, bytes; in the order of appearance
};

}  // namespace fathom::model::training
