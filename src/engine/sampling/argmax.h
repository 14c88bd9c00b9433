#pragma once
#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "base/types.h"

namespace fathom::engine {

/// The lowest id of the largest logit; -1 if none is a finite number. A NaN never wins.
inline i32 argmax(std::span<const float> logits) {
  // The value first, in a loop that the compiler can vectorise.
  constexpr size_t kLanes = 16;
  float lanes[kLanes];
  std::fill_n(lanes, kLanes, -std::numeric_limits<float>::infinity());
  const float* x = logits.data();
  const size_t count = logits.size(), whole = count / kLanes * kLanes;
  for (size_t i = 0; i < whole; i += kLanes) {
    for (size_t l = 0; l < kLanes; ++l) lanes[l] = x[i + l] > lanes[l] ? x[i + l] : lanes[l];
  }
  float top = *std::max_element(lanes, lanes + kLanes);
  for (size_t i = whole; i < count; ++i) top = x[i] > top ? x[i] : top;
  return std::isfinite(top) ? static_cast<i32>(std::find(x, x + count, top) - x) : -1;
}

}  // namespace fathom::engine
