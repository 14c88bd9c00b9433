#pragma once
// What rounding to a small format does to the numbers of a tensor: plain sums that kernels fill and
// reports read.
#include "base/types.h"

namespace fathom {

enum class NumberFormat : u8 { kE4m3, kE5m2, kE5m6, kBf16 };

/// Larger numbers, infinities and NaN are counted and otherwise left out: sums of squares of
/// anything below stay within f32 for every scheme, and no sound tensor of a model comes near.
inline constexpr float kLargestMeasured = 1073741824.0f;  // 2^30
/// A histogram of |x| rounded up to BF16: one bin a number of it, in rising order.
inline constexpr i64 kMagnitudeBins = 32768;
/// Factors of two below a group's largest number that are told apart; the last bin has the rest.
inline constexpr i64 kOctaves = 48;

/// The numbers of a tensor themselves. Sums of parts add up.
struct MagnitudeSums {
  i64 numbers;           // measured ones
  i64 zeros;             // of them
  i64 not_measured;      // NaN, infinite or beyond kLargestMeasured
  double abs_value;      // sum |x|
  double squared_value;  // sum x^2
};

/// What a scheme did to numbers x that became q. Sums of parts add up.
struct QuantizationErrorSums {
  double abs_error;       // sum |x - q|
  double relative_error;  // sum |x - q| / |x| over x != 0
  double squared_error;   // sum (x - q)^2
  i64 saturated;          // rounding without a limit would pass the format's largest number
  i64 underflowed;        // x != 0, q = 0
  i64 subnormal;          // q != 0 and below the least normal number, where digits are lost
};

}  // namespace fathom
