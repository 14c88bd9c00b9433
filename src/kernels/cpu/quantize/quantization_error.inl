#pragma once
// How far numbers move when they are rounded to a small format, without making the codes. All in
// units of the scale: |x| / s is rounded, and what the sums lack is multiplied in double.
#include "kernels/api/quantization_error.h"
#include "kernels/cpu/quantize/rounding.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

constexpr uint32_t kLargestMeasuredBits = (127u + 30u) << 23;

struct FormatTraits {
  int mantissa_bits, least_exponent;
  float least_normal, largest;
};
template <NumberFormat kFormat>
constexpr FormatTraits format_traits() {
  switch (kFormat) {
    case NumberFormat::kE4m3:
      return {3, -6, 0x1p-6f, kE4m3Max};
    case NumberFormat::kE5m2:
      return {2, -14, 0x1p-14f, kE5m2Max};
    case NumberFormat::kE5m6:
      return {6, -14, 0x1p-14f, kE5m6Max};
    case NumberFormat::kBf16:
      return {7, -126, 0x1p-126f, 0x1.fep127f};
  }
}

/// |x| of the next n numbers, 0 for those that are not measured.
inline Vec load_magnitudes(const float* x, int64_t n) {
  const Vec magnitude = abs(load_n(x, n));
  const Vec limit = Vec::set1(kLargestMeasured);  // a NaN is not "at most"
  return vec_of((words_of(magnitude) <= words_of(limit)) & words_of(magnitude));
}

inline int64_t sum_lanes(Words counts) {
  int64_t sum = 0;
  for (int i = 0; i < Vec::kLanes; ++i) sum += counts[i];
  return sum;
}

/// v >= 0 rounded to the format's grid as if it had no largest number, ties to even; see
/// round_to_grid.
template <NumberFormat kFormat>
inline Vec round_unlimited(Vec v) {
  constexpr FormatTraits kTraits = format_traits<kFormat>();
  const Vec rounder = grid_rounder<kTraits.mantissa_bits, kTraits.least_exponent>(v);
  return (v + rounder) - rounder;
}

/// Adds what becomes of n <= 128 numbers that share `scale`.
template <NumberFormat kFormat>
inline void add_errors(const float* x, int64_t n, float scale, QuantizationErrorSums& sums) {
  constexpr FormatTraits kTraits = format_traits<kFormat>();
  const Vec largest = Vec::set1(kTraits.largest), least = Vec::set1(kTraits.least_normal);
  const Vec one = Vec::set1(1.0f), s = Vec::set1(scale);
  Vec abs_error = Vec::zero(), relative_error = Vec::zero(), squared_error = Vec::zero();
  Words saturated{}, underflowed{}, subnormal{};
  for (int64_t i = 0; i < n; i += Vec::kLanes) {
    const Vec magnitude = load_magnitudes(x + i, n - i), v = magnitude / s;
    const Vec unlimited = round_unlimited<kFormat>(v), q = min(unlimited, largest);
    const Vec error = abs(v - q);
    const Words is_zero = words_of(q) == 0, was_zero = words_of(magnitude) == 0;
    const Words lost = is_zero & ~was_zero;
    // Of what became zero all is lost, also where x / s itself is too small for f32.
    const Words ratio = (~is_zero & words_of(error / v)) | (lost & words_of(one));
    abs_error = abs_error + error;
    relative_error = relative_error + vec_of(ratio);
    squared_error = fma(error, error, squared_error);
    saturated -= words_of(unlimited) > words_of(largest);  // a true lane is -1
    underflowed -= lost;
    subnormal -= (words_of(q) < words_of(least)) & ~is_zero;
  }
  const double unit = static_cast<double>(scale);
  sums.abs_error += unit * static_cast<double>(reduce_add(abs_error));
  sums.relative_error += static_cast<double>(reduce_add(relative_error));
  sums.squared_error += unit * unit * static_cast<double>(reduce_add(squared_error));
  sums.saturated += sum_lanes(saturated);
  sums.underflowed += sum_lanes(underflowed);
  sums.subnormal += sum_lanes(subnormal);
}

inline float value_of(const GroupValues& group, int64_t row, int64_t tile) {
  return group.value[row / group.rows_per_value * group.row_stride + tile * group.tile_stride];
}

inline void add_scheme(NumberFormat format, float scale, const float* x, int64_t n,
                       QuantizationErrorSums& sums) {
  switch (format) {
    case NumberFormat::kE4m3:
      return add_errors<NumberFormat::kE4m3>(x, n, scale, sums);
    case NumberFormat::kE5m2:
      return add_errors<NumberFormat::kE5m2>(x, n, scale, sums);
    case NumberFormat::kE5m6:
      return add_errors<NumberFormat::kE5m6>(x, n, scale, sums);
    case NumberFormat::kBf16:
      return add_errors<NumberFormat::kBf16>(x, n, scale, sums);
  }
}

void quantization_error_blocks(const QuantizationErrorArgs& a, int64_t begin, int64_t end) {
  for (int64_t block = begin; block < end; ++block) {
    QuantizationErrorSums* sums = a.sums + block * a.num_schemes;
    for (int64_t i = 0; i < a.num_schemes; ++i) sums[i] = {};
    const int64_t last = min(a.rows, (block + 1) * kRangeTile);
    for (int64_t row = block * kRangeTile; row < last; ++row) {
      const float* x = a.x + row * a.x_stride;
      // All schemes over one tile: it is read from memory once.
      for (int64_t col = 0; col < a.cols; col += kRangeTile) {
        const int64_t n = min(kRangeTile, a.cols - col);
        for (int64_t i = 0; i < a.num_schemes; ++i) {
          const ErrorScheme& scheme = a.schemes[i];
          const float scale = value_of(scheme.scale, row, col / kRangeTile);
          add_scheme(scheme.format, scale, x + col, n, sums[i]);
        }
      }
    }
  }
}

/// The range of n <= 128 numbers, added to `sums`; returns their amax.
inline float add_magnitudes(const float* x, int64_t n, MagnitudeSums& sums) {
  Vec amax = Vec::zero(), abs_value = Vec::zero();
  Words zeros{}, measured{};
  for (int64_t i = 0; i < n; i += Vec::kLanes) {
    const Vec raw = abs(load_n(x + i, n - i)), magnitude = load_magnitudes(x + i, n - i);
    amax = max(magnitude, amax);
    abs_value = abs_value + magnitude;
    measured -= words_of(raw) <= words_of(Vec::set1(kLargestMeasured));
    zeros -= words_of(raw) == 0;
  }
  const float largest = reduce_max(amax);
  // Squares in units of a power of two near the largest, so that tiny ones do not vanish.
  uint32_t word;
  __builtin_memcpy(&word, &largest, sizeof word);
  const uint32_t exponent = word >> 23 < 1 ? 1 : word >> 23;  // at most 157
  word = (254 - exponent) << 23;
  float inverse;
  __builtin_memcpy(&inverse, &word, sizeof inverse);
  Vec squares = Vec::zero();
  for (int64_t i = 0; i < n; i += Vec::kLanes) {
    const Vec v = load_magnitudes(x + i, n - i) * Vec::set1(inverse);
    squares = fma(v, v, squares);
  }
  const int64_t padding = (n + Vec::kLanes - 1) / Vec::kLanes * Vec::kLanes - n;  // read as zeros
  const int64_t count = sum_lanes(measured) - padding;
  const double unit = 1.0 / static_cast<double>(inverse);
  sums.numbers += count;
  sums.zeros += sum_lanes(zeros) - padding;
  sums.not_measured += n - count;
  sums.abs_value += static_cast<double>(reduce_add(abs_value));
  sums.squared_value += unit * unit * static_cast<double>(reduce_add(squares));
  return largest;
}

void tile_range_blocks(const TileRangeArgs& a, int64_t begin, int64_t end) {
  for (int64_t block = begin; block < end; ++block) {
    a.sums[block] = {};
    const int64_t last = min(a.rows, (block + 1) * kRangeTile);
    for (int64_t row = block * kRangeTile; row < last; ++row) {
      for (int64_t col = 0; col < a.cols; col += kRangeTile) {
        a.amax[row * a.amax_stride + col / kRangeTile] = add_magnitudes(
            a.x + row * a.x_stride + col, min(kRangeTile, a.cols - col), a.sums[block]);
      }
    }
  }
}

void octave_count_blocks(const OctaveCountArgs& a, int64_t begin, int64_t end) {
  for (int64_t block = begin; block < end; ++block) {
    int64_t* counts = a.counts + block * kOctaves;
    for (int64_t o = 0; o < kOctaves; ++o) counts[o] = 0;
    const int64_t last = min(a.rows, (block + 1) * kRangeTile);
    for (int64_t row = block * kRangeTile; row < last; ++row) {
      for (int64_t col = 0; col < a.cols; col += Vec::kLanes) {
        const Vec magnitude = load_magnitudes(a.x + row * a.x_stride + col, a.cols - col);
        const Vec amax = Vec::set1(value_of(a.amax, row, col / kRangeTile));
        // The ratio's exponent; a ratio of 1 falls into octave -1, which is counted with octave 0.
        const Words octave = 126 - (words_of(magnitude / amax) >> 23);
        const Words is_zero = words_of(magnitude) == 0;
        for (int i = 0; i < Vec::kLanes; ++i) {
          if (is_zero[i] != 0) continue;  // so is what was read beyond the row
          const int64_t o = octave[i] < 0 ? 0 : octave[i];
          ++counts[min(o, kOctaves - 1)];
        }
      }
    }
  }
}

void magnitude_bin_rows(const MagnitudeBinArgs& a, int64_t begin, int64_t end, int64_t* bins) {
  for (int64_t row = begin; row < end; ++row) {
    const float* x = a.x + row * a.x_stride;
    for (int64_t col = 0; col < a.cols; ++col) {
      uint32_t word;
      __builtin_memcpy(&word, x + col, sizeof word);
      word &= 0x7fffffffu;
      if (word <= kLargestMeasuredBits) ++bins[(word + 0xffffu) >> 16];
    }
  }
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
