#pragma once
#include <cstdint>

namespace fathom::kernels {

enum class NumberFormat : uint8_t { kE4m3, kE5m2, kE5m6, kBf16 };

/// Larger numbers, infinities and NaN are counted and otherwise left out: sums of squares of
/// anything below stay within f32 for every scheme, and no sound tensor of a model comes near.
constexpr float kLargestMeasured = 1073741824.0f;  // 2^30
/// Numbers that share a scale along a row, and rows of a block.
constexpr int64_t kRangeTile = 128;
/// A histogram of |x| rounded up to BF16: one bin a number of it, in rising order.
constexpr int64_t kMagnitudeBins = 32768;
/// Factors of two below a group's largest number that are told apart; the last bin has the rest.
constexpr int64_t kOctaves = 48;

/// The numbers of a tensor themselves. Sums of parts add up.
struct MagnitudeSums {
  int64_t numbers;       // measured ones
  int64_t zeros;         // of them
  int64_t not_measured;  // NaN, infinite or beyond kLargestMeasured
  double abs_value;      // sum |x|
  double squared_value;  // sum x^2
};

/// What a scheme did to numbers x that became q. Sums of parts add up.
struct QuantizationErrorSums {
  double abs_error;       // sum |x - q|
  double relative_error;  // sum |x - q| / |x| over x != 0
  double squared_error;   // sum (x - q)^2
  int64_t saturated;      // rounding without a limit would pass the format's largest number
  int64_t underflowed;    // x != 0, q = 0
  int64_t subnormal;      // q != 0 and below the least normal number, where digits are lost
};

/// Ranges of 1x128 tiles. Works on blocks of 128 rows, one sums[block] each.
struct TileRangeArgs {
  const float* x;  // [rows, cols]
  int64_t x_stride;
  int64_t rows, cols;
  float* amax;  // [rows, ceil(cols/128)]  0 where nothing is measured
  int64_t amax_stride;
  MagnitudeSums* sums;  // [ceil(rows/128)]
};

/// One value a group of numbers: that of tile t in row r is
/// value[r / rows_per_value * row_stride + t * tile_stride].
struct GroupValues {
  const float* value;
  int64_t rows_per_value;
  int64_t row_stride;
  int64_t tile_stride;
};

/// q = round(x / scale) scale.
struct ErrorScheme {
  NumberFormat format;
  GroupValues scale;
};

/// Works on blocks of 128 rows, sums[block * num_schemes + scheme] each.
struct QuantizationErrorArgs {
  const float* x;  // [rows, cols]
  int64_t x_stride;
  int64_t rows, cols;
  const ErrorScheme* schemes;
  int64_t num_schemes;
  QuantizationErrorSums* sums;
};

/// counts[block * kOctaves + o]: how many x have |x| / amax in [2^-(o+1), 2^-o); amax itself is in
/// the first, all below the last but one in the last. Zeros are not counted.
struct OctaveCountArgs {
  const float* x;  // [rows, cols]
  int64_t x_stride;
  int64_t rows, cols;
  GroupValues amax;
  int64_t* counts;
};

/// bins[code of the smallest BF16 number >= |x|] += 1 for each measured x of the rows.
struct MagnitudeBinArgs {
  const float* x;  // [rows, cols]
  int64_t x_stride;
  int64_t cols;
};

}  // namespace fathom::kernels
