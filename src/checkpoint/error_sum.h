#pragma once
// Internal to checkpoint/: how far stored values are from what they were.
#include <algorithm>
#include <cmath>

#include "tensor/view.h"

namespace fathom::checkpoint {

/// Running comparison of values before and after.
struct ErrorSum {
  double max_difference = 0.0, max_value = 0.0, squared_difference = 0.0, squared_value = 0.0;

  void add(View<const float, 2> before, View<const float, 2> after) {
    for (i64 i = 0; i < before.size(); ++i) {
      const double value = before.data()[i], difference = value - after.data()[i];
      // Written so that a NaN stays: std::max would drop it and call the tensor unchanged.
      if (std::abs(difference) > max_difference || std::isnan(difference)) {
        max_difference = std::abs(difference);
      }
      max_value = std::max(max_value, std::abs(value));
      squared_difference += difference * difference;
      squared_value += value * value;
    }
  }
  double max_error() const { return max_value > 0.0 ? max_difference / max_value : max_difference; }
  double rms_error() const {
    return squared_value == 0.0 ? std::sqrt(squared_difference)
                                : std::sqrt(squared_difference / squared_value);
  }
};

}  // namespace fathom::checkpoint
