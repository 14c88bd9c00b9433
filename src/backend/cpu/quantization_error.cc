#include <algorithm>

#include "backend/cpu/table.h"
#include "backend/cpu/threads.h"
#include "base/checked_math.h"
#include "kernels/cpu/isa/isa_table.h"
#include "kernels/cpu/quantize/quantize_table.h"
#include "tensor/fp8.h"

namespace fathom::backend::cpu {
namespace {

using device::GemmScaling;
using kernels::kRangeTile;
static_assert(kRangeTile == kFp8Block);

i64 blocks_of(View<const float, 2> x) { return ceil_div(x.dim(0), kRangeTile); }

/// `values`: one a group, laid out as ops::group_ranges does.
kernels::GroupValues group_values(GemmScaling scaling, View<const float, 2> values) {
  const bool per_tile = scaling == GemmScaling::kTile || scaling == GemmScaling::kBlock;
  return {.value = values.data(),
          .rows_per_value = scaling == GemmScaling::kBlock ? kRangeTile : 1,
          .row_stride = scaling == GemmScaling::kTensor ? 0 : values.stride(0),
          .tile_stride = per_tile ? 1 : 0};
}

/// The scales of a scheme's groups, in scratch.
kernels::GroupValues scheme_scales(Workspace::Scope& scope, const device::ChunkScheme& scheme) {
  if (scheme.format == NumberFormat::kBf16) {
    const auto one = scope.alloc<float>(1, 1);
    one(0, 0) = 1.0f;
    return group_values(GemmScaling::kTensor, one);
  }
  const auto scale = scope.alloc<float>(scheme.amax.dim(0), scheme.amax.dim(1));
  for (i64 row = 0; row < scale.dim(0); ++row) {
    for (i64 col = 0; col < scale.dim(1); ++col) {
      scale(row, col) = device::quantization_scale(scheme.amax(row, col), scheme.format,
                                                   scheme.power_of_2_scales);
    }
  }
  return group_values(scheme.scaling, scale);
}

void tile_ranges(Ctx& ctx, const device::TileRanges& op) {
  Workspace::Scope scope(ctx.workspace());
  const auto parts = scope.alloc<MagnitudeSums>(blocks_of(op.x));
  const kernels::TileRangeArgs args{.x = op.x.data(),
                                    .x_stride = op.x.stride(0),
                                    .rows = op.x.dim(0),
                                    .cols = op.x.dim(1),
                                    .amax = op.amax.data(),
                                    .amax_stride = op.amax.stride(0),
                                    .sums = parts.data()};
  for_rows(parts.dim(0), 2 * kRangeTile * args.cols,
           [&](i64 begin, i64 end) { ctx.isa().quantize->tile_range_blocks(args, begin, end); });
  for (i64 i = 0; i < parts.dim(0); ++i) device::add(*op.sums, parts(i));  // in the order of rows
}

void count_magnitudes(Ctx& ctx, const device::CountMagnitudes& op) {
  const i64 rows = op.x.dim(0), parts = std::min<i64>(num_threads(), rows);
  Workspace::Scope scope(ctx.workspace());
  const auto counts = scope.alloc<i64>(parts, kMagnitudeBins);
  const kernels::MagnitudeBinArgs args{
      .x = op.x.data(), .x_stride = op.x.stride(0), .cols = op.x.dim(1)};
  for_rows(parts, kThreadWork, [&](i64 begin, i64 end) {
    for (i64 part = begin; part < end; ++part) {
      std::fill_n(counts.row(part), kMagnitudeBins, 0);
      ctx.isa().quantize->magnitude_bin_rows(args, rows * part / parts, rows * (part + 1) / parts,
                                             counts.row(part));
    }
  });
  for (i64 part = 0; part < parts; ++part) {
    for (i64 i = 0; i < kMagnitudeBins; ++i) op.bins[static_cast<size_t>(i)] += counts(part, i);
  }
}

void quantization_errors(Ctx& ctx, const device::QuantizationErrors& op) {
  const i64 count = std::ssize(op.schemes);
  Workspace::Scope scope(ctx.workspace());
  const auto schemes = scope.alloc<kernels::ErrorScheme>(count);
  for (i64 i = 0; i < count; ++i) {
    const device::ChunkScheme& scheme = op.schemes[static_cast<size_t>(i)];
    schemes(i) = {.format = scheme.format, .scale = scheme_scales(scope, scheme)};
  }
  const auto parts = scope.alloc<QuantizationErrorSums>(blocks_of(op.x), count);
  const kernels::QuantizationErrorArgs args{.x = op.x.data(),
                                            .x_stride = op.x.stride(0),
                                            .rows = op.x.dim(0),
                                            .cols = op.x.dim(1),
                                            .schemes = schemes.data(),
                                            .num_schemes = count,
                                            .sums = parts.data()};
  for_rows(parts.dim(0), 4 * count * kRangeTile * args.cols, [&](i64 begin, i64 end) {
    ctx.isa().quantize->quantization_error_blocks(args, begin, end);
  });
  for (i64 block = 0; block < parts.dim(0); ++block) {
    for (i64 i = 0; i < count; ++i) {
      device::add(op.sums[static_cast<size_t>(i)], parts(block, i));
    }
  }
}

void octave_counts(Ctx& ctx, const device::OctaveCounts& op) {
  Workspace::Scope scope(ctx.workspace());
  const auto parts = scope.alloc<i64>(blocks_of(op.x), kOctaves);
  const kernels::OctaveCountArgs args{.x = op.x.data(),
                                      .x_stride = op.x.stride(0),
                                      .rows = op.x.dim(0),
                                      .cols = op.x.dim(1),
                                      .amax = group_values(op.scaling, op.amax),
                                      .counts = parts.data()};
  for_rows(parts.dim(0), 2 * kRangeTile * args.cols,
           [&](i64 begin, i64 end) { ctx.isa().quantize->octave_count_blocks(args, begin, end); });
  for (i64 block = 0; block < parts.dim(0); ++block) {
    for (i64 o = 0; o < kOctaves; ++o) op.counts[static_cast<size_t>(o)] += parts(block, o);
  }
}

}  // namespace

void set_quantization_error(device::OpTable& table) {
  table.set(tile_ranges);
  table.set(count_magnitudes);
  table.set(quantization_errors);
  table.set(octave_counts);
}

}  // namespace fathom::backend::cpu
