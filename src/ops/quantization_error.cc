#include "ops/quantization_error.h"

#include <algorithm>
#include <array>
#include <bit>

#include "base/checked_math.h"
#include "base/parallel.h"
#include "kernels/cpu/isa/isa_table.h"
#include "kernels/cpu/quantize/quantize_table.h"
#include "ops/checks.h"
#include "tensor/e5m6.h"
#include "tensor/fp8.h"

namespace fathom::ops {
namespace {

using kernels::kRangeTile;
static_assert(kRangeTile == kFp8Block);

i64 blocks_of(View<const float, 2> x) { return ceil_div(x.dim(0), kRangeTile); }

std::array<i64, 2> group_dims(GemmScaling scaling, i64 rows, i64 tiles) {
  switch (scaling) {
    case GemmScaling::kTile:
      return {rows, tiles};
    case GemmScaling::kBlock:
      return {ceil_div(rows, kRangeTile), tiles};
    case GemmScaling::kRow:
      return {rows, 1};
    case GemmScaling::kTensor:
      return {1, 1};
  }
  return {};
}

i64 rows_per_group(GemmScaling scaling) { return scaling == GemmScaling::kBlock ? kRangeTile : 1; }

/// `values`: one a group, laid out as group_dims.
kernels::GroupValues group_values(GemmScaling scaling, View<const float, 2> values) {
  const bool per_tile = scaling == GemmScaling::kTile || scaling == GemmScaling::kBlock;
  return {.value = values.data(),
          .rows_per_value = rows_per_group(scaling),
          .row_stride = scaling == GemmScaling::kTensor ? 0 : values.stride(0),
          .tile_stride = per_tile ? 1 : 0};
}

void check_ranges(View<const float, 2> x, GemmScaling scaling, View<const float, 2> amax) {
  const auto want = group_dims(scaling, x.dim(0), ceil_div(x.dim(1), kRangeTile));
  FATHOM_CHECK(amax.dims() == want && last_axis_contiguous(amax), "ranges ", amax, " of x ", x,
               ": expected [", want[0], ", ", want[1], "]");
}

/// The scales of a scheme's groups, in scratch.
kernels::GroupValues scheme_scales(Workspace::Scope& scope, View<const float, 2> x,
                                   const ChunkScheme& scheme) {
  if (scheme.format == NumberFormat::kBf16) {
    const auto one = scope.alloc<float>(1, 1);
    one(0, 0) = 1.0f;
    return group_values(GemmScaling::kTensor, one);
  }
  check_ranges(x, scheme.scaling, scheme.amax);
  const auto scale = scope.alloc<float>(scheme.amax.dim(0), scheme.amax.dim(1));
  for (i64 row = 0; row < scale.dim(0); ++row) {
    for (i64 col = 0; col < scale.dim(1); ++col) {
      scale(row, col) =
          quantization_scale(scheme.amax(row, col), scheme.format, scheme.power_of_2_scales);
    }
  }
  return group_values(scheme.scaling, scale);
}

}  // namespace

void add(MagnitudeSums& sums, const MagnitudeSums& part) {
  sums.numbers += part.numbers;
  sums.zeros += part.zeros;
  sums.not_measured += part.not_measured;
  sums.abs_value += part.abs_value;
  sums.squared_value += part.squared_value;
}

void add(QuantizationErrorSums& sums, const QuantizationErrorSums& part) {
  sums.abs_error += part.abs_error;
  sums.relative_error += part.relative_error;
  sums.squared_error += part.squared_error;
  sums.saturated += part.saturated;
  sums.underflowed += part.underflowed;
  sums.subnormal += part.subnormal;
}

float largest_number(NumberFormat format) {
  switch (format) {
    case NumberFormat::kE4m3:
      return kE4m3Max;
    case NumberFormat::kE5m2:
      return kE5m2Max;
    case NumberFormat::kE5m6:
      return kE5m6Max;
    case NumberFormat::kBf16:
      return 0x1.fep127f;
  }
  return 0.0f;
}

float quantization_scale(float amax, NumberFormat format, bool power_of_2) {
  const float scale = std::max(amax, kFp8AmaxFloor) / largest_number(format);
  return power_of_2 ? ceil_to_power_of_two(scale) : scale;
}

void tile_ranges(Ctx& ctx, View<const float, 2> x, View<float, 2> amax, MagnitudeSums& sums) {
  require_cpu(ctx, "tile_ranges");
  check_ranges(x, GemmScaling::kTile, amax);
  FATHOM_CHECK(last_axis_contiguous(x), "rows of x ", x, " must be contiguous");
  Workspace::Scope scope(ctx.workspace());
  const auto parts = scope.alloc<MagnitudeSums>(blocks_of(x));
  const kernels::TileRangeArgs args{.x = x.data(),
                                    .x_stride = x.stride(0),
                                    .rows = x.dim(0),
                                    .cols = x.dim(1),
                                    .amax = amax.data(),
                                    .amax_stride = amax.stride(0),
                                    .sums = parts.data()};
  ctx.for_rows(parts.dim(0), 2 * kRangeTile * x.dim(1), [&](i64 begin, i64 end) {
    ctx.isa().quantize->tile_range_blocks(args, begin, end);
  });
  for (i64 i = 0; i < parts.dim(0); ++i) add(sums, parts(i));  // in the order of rows
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
  require_cpu(ctx, "count_magnitudes");
  FATHOM_CHECK(std::ssize(bins) == kMagnitudeBins, bins.size(), " bins, expected ", kMagnitudeBins);
  FATHOM_CHECK(last_axis_contiguous(x), "rows of x ", x, " must be contiguous");
  const i64 parts = std::min<i64>(num_threads(), x.dim(0));
  Workspace::Scope scope(ctx.workspace());
  const auto counts = scope.alloc<i64>(parts, kMagnitudeBins);
  const kernels::MagnitudeBinArgs args{.x = x.data(), .x_stride = x.stride(0), .cols = x.dim(1)};
  ctx.for_rows(parts, [&](i64 begin, i64 end) {
    for (i64 part = begin; part < end; ++part) {
      std::fill_n(counts.row(part), kMagnitudeBins, 0);
      ctx.isa().quantize->magnitude_bin_rows(args, x.dim(0) * part / parts,
                                             x.dim(0) * (part + 1) / parts, counts.row(part));
    }
  });
  for (i64 part = 0; part < parts; ++part) {
    for (i64 i = 0; i < kMagnitudeBins; ++i) bins[static_cast<size_t>(i)] += counts(part, i);
  }
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
  require_cpu(ctx, "quantization_errors");
  FATHOM_CHECK(schemes.size() == sums.size(), schemes.size(), " schemes, ", sums.size(), " sums");
  FATHOM_CHECK(last_axis_contiguous(x), "rows of x ", x, " must be contiguous");
  const i64 count = std::ssize(schemes);
  Workspace::Scope scope(ctx.workspace());
  const auto prepared = scope.alloc<kernels::ErrorScheme>(count);
  for (i64 i = 0; i < count; ++i) {
    const ChunkScheme& scheme = schemes[static_cast<size_t>(i)];
    prepared(i) = {.format = scheme.format, .scale = scheme_scales(scope, x, scheme)};
  }
  const auto parts = scope.alloc<QuantizationErrorSums>(blocks_of(x), count);
  const kernels::QuantizationErrorArgs args{.x = x.data(),
                                            .x_stride = x.stride(0),
                                            .rows = x.dim(0),
                                            .cols = x.dim(1),
                                            .schemes = prepared.data(),
                                            .num_schemes = count,
                                            .sums = parts.data()};
  ctx.for_rows(parts.dim(0), 4 * count * kRangeTile * x.dim(1), [&](i64 begin, i64 end) {
    ctx.isa().quantize->quantization_error_blocks(args, begin, end);
  });
  for (i64 block = 0; block < parts.dim(0); ++block) {
    for (i64 i = 0; i < count; ++i) add(sums[static_cast<size_t>(i)], parts(block, i));
  }
}

void octave_counts(Ctx& ctx, View<const float, 2> x, GemmScaling scaling, View<const float, 2> amax,
                   std::span<i64> counts) {
  require_cpu(ctx, "octave_counts");
  check_ranges(x, scaling, amax);
  FATHOM_CHECK(std::ssize(counts) == kOctaves, counts.size(), " counts, expected ", kOctaves);
  FATHOM_CHECK(last_axis_contiguous(x), "rows of x ", x, " must be contiguous");
  Workspace::Scope scope(ctx.workspace());
  const auto parts = scope.alloc<i64>(blocks_of(x), kOctaves);
  const kernels::OctaveCountArgs args{.x = x.data(),
                                      .x_stride = x.stride(0),
                                      .rows = x.dim(0),
                                      .cols = x.dim(1),
                                      .amax = group_values(scaling, amax),
                                      .counts = parts.data()};
  ctx.for_rows(parts.dim(0), 2 * kRangeTile * x.dim(1), [&](i64 begin, i64 end) {
    ctx.isa().quantize->octave_count_blocks(args, begin, end);
  });
  for (i64 block = 0; block < parts.dim(0); ++block) {
    for (i64 o = 0; o < kOctaves; ++o) counts[static_cast<size_t>(o)] += parts(block, o);
  }
}

}  // namespace fathom::ops
