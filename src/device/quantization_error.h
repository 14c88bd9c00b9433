#pragma once
#include <span>

#include "device/op.h"
#include "device/rounding.h"
#include "tensor/quantization_error.h"
#include "tensor/view.h"

namespace fathom::device {

/// Sums of two parts are those of the whole.
void add(MagnitudeSums& sums, const MagnitudeSums& part);
void add(QuantizationErrorSums& sums, const QuantizationErrorSums& part);

/// The largest number of a format: 448, 57344, 129024; BF16 has no scale and no use for it.
float largest_number(NumberFormat format);
/// As in GemmRounding: amax / largest with amax at least 1e-4, then up to a power of two if asked.
/// Source: DeepSeek-V3 §3.3.2.
float quantization_scale(float amax, NumberFormat format, bool power_of_2);

struct TileRanges {
  static constexpr const char* kName = "tile_ranges";
  View<const float, 2> x;
  View<float, 2> amax;
  MagnitudeSums* sums;
};

struct CountMagnitudes {
  static constexpr const char* kName = "count_magnitudes";
  View<const float, 2> x;
  std::span<i64> bins;
};

/// One scheme on a chunk: its format, and the range of each group (as group_ranges lays them out,
/// from the chunk's first row on). A static range is a [1, 1] of kTensor.
struct ChunkScheme {
  NumberFormat format = NumberFormat::kE4m3;
  GemmScaling scaling = GemmScaling::kTile;
  bool power_of_2_scales = false;
  View<const float, 2> amax;  // empty for BF16
};
struct QuantizationErrors {
  static constexpr const char* kName = "quantization_errors";
  View<const float, 2> x;
  std::span<const ChunkScheme> schemes;
  std::span<QuantizationErrorSums> sums;
};

struct OctaveCounts {
  static constexpr const char* kName = "octave_counts";
  View<const float, 2> x;
  GemmScaling scaling;
  View<const float, 2> amax;
  std::span<i64> counts;
};

}  // namespace fathom::device
