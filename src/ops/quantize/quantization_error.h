#pragma once
// How far the numbers of a tensor move when they are rounded to a small format, scheme by scheme.
// For study: nothing that trains or runs a model calls this.
//
// A tensor comes in chunks of rows, each but the last a multiple of 128. First its ranges, since a
// scale may depend on all of it; then the errors:
//   tile_ranges      each chunk       -> the largest |x| of every 1x128 tile, and sums
//   group_ranges     the whole tensor -> the largest |x| of its blocks, rows, or all of it
//   quantization_errors, octave_counts    each chunk once more
#include <span>

#include "device/ctx.h"
#include "device/quantization_error.h"
#include "tensor/view.h"

namespace fathom::ops {

using device::add;
using device::ChunkScheme;
using device::GemmScaling;
using device::largest_number;
using device::quantization_scale;
using fathom::kLargestMeasured;
using fathom::kMagnitudeBins;
using fathom::kOctaves;
using fathom::MagnitudeSums;
using fathom::NumberFormat;
using fathom::QuantizationErrorSums;

/// amax[r, t] = the largest |x| in columns [128 t, 128 t + 128) of row r; 0 if nothing is measured.
///   x     [rows, cols]             f32
///   amax  [rows, ceil(cols/128)]   f32  overwritten
///   sums                                accumulated
/// NaN, infinities and numbers beyond kLargestMeasured are counted in sums.not_measured and are
/// left out of everything here. Sums are of f32 within a tile, double beyond. CPU.
void tile_ranges(Ctx& ctx, View<const float, 2> x, View<float, 2> amax, MagnitudeSums& sums);

/// The largest of the tiles' ranges [rows, tiles] in each group of the scaling:
///   kBlock  [ceil(rows/128), tiles]    kRow  [rows, 1]    kTensor  [1, 1]    kTile  [rows, tiles]
/// out overwritten.
void group_ranges(View<const float, 2> tile_amax, GemmScaling scaling, View<float, 2> out);

/// bins[code] += how many |x|, rounded up to BF16, have that code; [kMagnitudeBins]. CPU.
void count_magnitudes(Ctx& ctx, View<const float, 2> x, std::span<i64> bins);
/// The smallest BF16 number that at least `share` of the counted magnitudes do not exceed, 0 <
/// share
/// <= 1; 0 if none is counted.
float magnitude_quantile(std::span<const i64> bins, double share);

/// sums[i] += what scheme i does to x [rows, cols] f32: q = round(x / s) s, where x / s is rounded
/// to f32, then to the nearest number of the format, ties to even, saturating. CPU.
/// A number saturates if the format's grid, continued, would take it beyond the largest number: the
/// tensor's own amax does not. Counts are exact; sums are within kQuantizationErrorRelTol of those
/// of kernels/ref. Throws InternalError on a shape mismatch.
void quantization_errors(Ctx& ctx, View<const float, 2> x, std::span<const ChunkScheme> schemes,
                         std::span<QuantizationErrorSums> sums);
/// Relative to the sum of |x| (x^2 for squares, the count for ratios) as x / s is rounded to f32: a
/// f32 sum of at most 128 numbers loses no more than 128 eps / 2.
inline constexpr double kQuantizationErrorRelTol = 4e-6;

/// counts[o] += how many x != 0 lie o octaves (factors of two) below the largest number of their
/// group: |x| / amax in [2^-(o+1), 2^-o), amax itself in counts[0], the rest in counts[kOctaves -
/// 1]. amax as in ChunkScheme. CPU.
void octave_counts(Ctx& ctx, View<const float, 2> x, GemmScaling scaling, View<const float, 2> amax,
                   std::span<i64> counts);

}  // namespace fathom::ops
