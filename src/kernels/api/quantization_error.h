#pragma once
#include <cstdint>

#include "tensor/quantization_error.h"

namespace fathom::kernels {

using fathom::kLargestMeasured;
using fathom::kMagnitudeBins;
using fathom::kOctaves;
using fathom::MagnitudeSums;
using fathom::NumberFormat;
using fathom::QuantizationErrorSums;

/// Numbers that share a scale along a row, and rows of a block.
constexpr int64_t kRangeTile = 128;

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
