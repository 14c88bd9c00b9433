#pragma once
// The definition of what a scheme does to a number. Sums are in double; x / scale is rounded to f32
// first, as the quantisers do, because it decides between two codes.
#include <algorithm>
#include <bit>
#include <cmath>

#include "kernels/api/quantization_error.h"
#include "tensor/bf16.h"
#include "tensor/e5m6.h"
#include "tensor/fp8.h"
#include "tensor/view.h"

namespace fathom::kernels::ref {

inline float round_to_format(NumberFormat format, float v) {
  switch (format) {
    case NumberFormat::kE4m3:
      return static_cast<float>(Fp8E4M3(v));
    case NumberFormat::kE5m2:
      return static_cast<float>(Fp8E5M2(v));
    case NumberFormat::kE5m6:
      return static_cast<float>(E5M6(v));
    case NumberFormat::kBf16:
      return static_cast<float>(Bf16(v));
  }
  return v;
}

/// |v| that the grid, continued beyond its largest number, would round further up. Half a step
/// above the largest lies a tie, which goes to the neighbour with an even mantissa: the largest
/// itself for E4M3 (1.110b) and E5M6 (1.111110b), the next one for E5M2 (1.11b).
inline bool saturates(NumberFormat format, float v) {
  const float magnitude = std::abs(v);
  switch (format) {
    case NumberFormat::kE4m3:
      return magnitude > 464.0f;  // between 448 and 480
    case NumberFormat::kE5m2:
      return magnitude >= 61440.0f;  // between 57344 and 65536
    case NumberFormat::kE5m6:
      return magnitude > 129536.0f;  // between 129024 and 130048
    case NumberFormat::kBf16:
      return false;  // nothing that is measured comes near
  }
  return false;
}

inline float least_normal(NumberFormat format) {
  switch (format) {
    case NumberFormat::kE4m3:
      return 0x1p-6f;
    case NumberFormat::kE5m2:
    case NumberFormat::kE5m6:
      return 0x1p-14f;
    case NumberFormat::kBf16:
      return 0x1p-126f;
  }
  return 0.0f;
}

inline bool is_measured(float x) { return std::abs(x) <= kLargestMeasured; }

inline float group_value(const GroupValues& group, i64 row, i64 col) {
  return group
      .value[row / group.rows_per_value * group.row_stride + col / kRangeTile * group.tile_stride];
}

/// Adds x [rows, cols] under one scheme to `sums`.
inline void quantization_error(View<const float, 2> x, const ErrorScheme& scheme,
                               QuantizationErrorSums& sums) {
  for (i64 row = 0; row < x.dim(0); ++row) {
    for (i64 col = 0; col < x.dim(1); ++col) {
      const float value = x(row, col);
      if (!is_measured(value)) continue;
      const bool scaled = scheme.format != NumberFormat::kBf16;
      const float scale = scaled ? group_value(scheme.scale, row, col) : 1.0f;
      const float v = value / scale, rounded = round_to_format(scheme.format, v);
      const double q = static_cast<double>(rounded) * static_cast<double>(scale);
      const double error = std::abs(static_cast<double>(value) - q);
      sums.abs_error += error;
      sums.squared_error += error * error;
      if (value != 0.0f) sums.relative_error += error / std::abs(static_cast<double>(value));
      sums.saturated += saturates(scheme.format, v) ? 1 : 0;
      sums.underflowed += value != 0.0f && rounded == 0.0f ? 1 : 0;
      sums.subnormal += rounded != 0.0f && std::abs(rounded) < least_normal(scheme.format) ? 1 : 0;
    }
  }
}

inline void magnitudes(View<const float, 2> x, MagnitudeSums& sums) {
  for (i64 row = 0; row < x.dim(0); ++row) {
    for (i64 col = 0; col < x.dim(1); ++col) {
      const double value = x(row, col);
      if (!is_measured(x(row, col))) {
        ++sums.not_measured;
        continue;
      }
      ++sums.numbers;
      sums.zeros += value == 0.0 ? 1 : 0;
      sums.abs_value += std::abs(value);
      sums.squared_value += value * value;
    }
  }
}

/// counts[o]: |x| / amax in [2^-(o+1), 2^-o), by the f32 quotient.
inline void octave_counts(View<const float, 2> x, const GroupValues& amax, i64* counts) {
  for (i64 row = 0; row < x.dim(0); ++row) {
    for (i64 col = 0; col < x.dim(1); ++col) {
      if (!is_measured(x(row, col)) || x(row, col) == 0.0f) continue;
      const float ratio = std::abs(x(row, col)) / group_value(amax, row, col);
      const i64 octave = ratio == 0.0f ? kOctaves : -1 - std::ilogb(ratio);
      ++counts[std::clamp<i64>(octave, 0, kOctaves - 1)];
    }
  }
}

}  // namespace fathom::kernels::ref
