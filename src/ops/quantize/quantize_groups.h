#pragma once
#include "device/ctx.h"
#include "tensor/bf16.h"
#include "tensor/mat_ref.h"
#include "tensor/view.h"

namespace fathom::ops {

/// x packed as integers of `bits` = 4 or 8 with one BF16 scale for each `group` = 32 or 128 columns
/// of a row, symmetric: code = round(x / scale) in [-2^(bits-1), 2^(bits-1) - 1]. The layout is
/// that of `compressed-tensors` pack-quantized; MatRef has the formula. The scale is amax /
/// (2^(bits-1) - 0.5), as there; of 4 bits it is the one among that and a few smaller ones whose
/// squared error is least: clipping the largest number often costs less than coarse steps for all.
/// A group with a number that is not finite gets a NaN scale.
///   x       [rows, cols]                      f32
///   packed  [rows, ceil(cols * bits / 32)]    words overwritten; unused bits of the last are codes
///   of 0 scale   [rows, ceil(cols / group)]        overwritten
void quantize_groups(Ctx& ctx, View<const float, 2> x, int bits, i64 group, View<u32, 2> packed,
                     View<Bf16, 2> scale);

/// The arrays as a weight.
MatRef packed_matrix(View<const u32, 2> packed, View<const Bf16, 2> scale, i64 cols, int bits,
                     i64 group);

}  // namespace fathom::ops
