#include "ops/quantize/quantization_error.h"

#include <algorithm>
#include <array>
#include <bit>

#include "base/checked_math.h"
#include "device/run.h"
#include "ops/checks.h"
#include "tensor/fp8.h"

namespace fathom::ops {
namespace {

std::array<i64, 2> group_dims(GemmScaling scaling, i64 rows, i64 tiles) {
  switch (scaling) {
    case GemmScaling::kTile:
      return {rows, tiles};
    case GemmScaling::kBlock:
      return {ceil_div(rows, kFp8Block), tiles};
    case GemmScaling::kRow:
      return {rows, 1};
    case GemmScaling::kTensor:
      return {1, 1};
  }
  return {};
}

i64 rows_per_group(GemmScaling scaling) { return scaling == GemmScaling::kBlock ? kFp8Block : 1; }

void check_ranges(View<const float, 2> x, GemmScaling scaling, View<const float, 2> amax) {
  const auto want = group_dims(scaling, x.dim(0), ceil_div(x.dim(1), kFp8Block));
  FATHOM_CHECK(amax.dims() == want && last_axis_contiguous(amax), "ranges ", amax, " of x ", x,
               ": expected [", want[0], ", ", want[1], "]");
}

}  // namespace

void tile_ranges(Ctx& ctx, View<const float, 2> x, View<float, 2> amax, MagnitudeSums& sums) {
  check_ranges(x, GemmScaling::kTile, amax);
  FATHOM_CHECK(last_axis_contiguous(x), "rows of x ", x, " must be contiguous");
  run(ctx, device::TileRanges{.x = x, .amax = amax, .sums = &sums});
}

void group_ranges(View<const float, 2> tile_amax, GemmScaling scaling, View<float, 2> out) {
  const auto want = group_dims(scaling, tile_amax.dim(0), tile_amax.dim(1));
  FATHOM_CHECK(out.dims() == want, "ranges ", out, " of tiles ", tile_amax, ": expected [", want[0],
               ", ", want[1], "]");
  for (i64 i = 0; i < want[0]; ++i) std::fill_n(out.row(i), want[1], 0.0f);
  for (i64 row = 0; row < tile_amax.dim(0); ++row) {
    const i64 i = want[0] == 1 ? 0 : row / rows_per_group(scaling);
    for (i64 tile = 0; tile < tile_amax.dim(1); ++tile) {
      float& largest = out(i, want[1] == 1 ? 0 : tile);
      largest = std::max(largest, tile_amax(row, tile));
    }
  }
}

void count_magnitudes(Ctx& ctx, View<const float, 2> x, std::span<i64> bins) {
  FATHOM_CHECK(std::ssize(bins) == kMagnitudeBins, bins.size(), " bins, expected ", kMagnitudeBins);
  FATHOM_CHECK(last_axis_contiguous(x), "rows of x ", x, " must be contiguous");
  run(ctx, device::CountMagnitudes{.x = x, .bins = bins});
}

float magnitude_quantile(std::span<const i64> bins, double share) {
  FATHOM_CHECK(share > 0.0 && share <= 1.0, "share ", share);
  i64 total = 0;
  for (const i64 count : bins) total += count;
  if (total == 0) return 0.0f;
  const double wanted = share * static_cast<double>(total);
  i64 seen = 0;
  u32 bin = 0;
  for (; static_cast<double>(seen + bins[bin]) < wanted; ++bin) seen += bins[bin];
  return std::bit_cast<float>(bin << 16);
}

void quantization_errors(Ctx& ctx, View<const float, 2> x, std::span<const ChunkScheme> schemes,
                         std::span<QuantizationErrorSums> sums) {
  FATHOM_CHECK(schemes.size() == sums.size(), schemes.size(), " schemes, ", sums.size(), " sums");
  FATHOM_CHECK(last_axis_contiguous(x), "rows of x ", x, " must be contiguous");
  for (const ChunkScheme& scheme : schemes) {
    if (scheme.format != NumberFormat::kBf16) check_ranges(x, scheme.scaling, scheme.amax);
  }
  run(ctx, device::QuantizationErrors{.x = x, .schemes = schemes, .sums = sums});
}

void octave_counts(Ctx& ctx, View<const float, 2> x, GemmScaling scaling, View<const float, 2> amax,
                   std::span<i64> counts) {
  check_ranges(x, scaling, amax);
  FATHOM_CHECK(std::ssize(counts) == kOctaves, counts.size(), " counts, expected ", kOctaves);
  FATHOM_CHECK(last_axis_contiguous(x), "rows of x ", x, " must be contiguous");
  run(ctx, device::OctaveCounts{.x = x, .scaling = scaling, .amax = amax, .counts = counts});
}

}  // namespace fathom::ops
