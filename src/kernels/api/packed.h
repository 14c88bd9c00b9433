#pragma once
// Products with weights packed as integers, by activations quantised to integers: plain data.
//
// Weights lie as `compressed-tensors` packs them: a row is a run of 32-bit words, each of 32 / bits
// codes, the first in the lowest bits; a code is the signed number + 2^(bits-1). A group of `group`
// columns of one row shares a scale (api/linear.h).
#include <cstdint>

#include "kernels/api/linear.h"

namespace fathom::kernels {

/// Activations beside weights of `bits` and `group`. A row is a run of units of packed_unit_codes()
/// columns, each
///   float   scale[16]   of the group that lane j of the unit's sums belongs to
///   int32_t start[16]   -2^(bits-1) * the sum of the codes that lane j multiplies: the weights'
///                       offset
///   int8_t  codes[]     INT8: in order. INT4: the 64 even columns, then the 64 odd ones, as a
///                       register of packed weights yields them
/// On ISAs that multiply bytes in 16 bits (cpu/linear/integer_linear_pairs.inl) the same bytes
/// hold, for the whole row,
///   int8_t  codes[]     INT8: in order. INT4: of 64 columns each the 32 even, then the 32 odd ones
///   float   scale[]     of each group, up to a multiple of 8 of them
///   int32_t start[][8]  INT4: -8 * the sum of the codes that lane j of a block's sums multiplies;
///                       a block is 128 columns, or 64 with groups of 32
struct QuantizeGroupsArgs {
  const float* x;  // [rows, cols]
  int64_t x_stride;
  int64_t cols;
  int64_t group;       // 32 or 128
  int bits;            // of the weights: 4 or 8
  void* out;           // [rows] of packed_row_bytes(); or, for the f32 form, [rows, cols] f32
  int64_t out_stride;  // bytes
};

/// y[t, o] = sum over groups of x_scale * w_scale * (the sum of the group's products of codes), and
/// with minima + x_scale * w_minimum * (the sum of the codes of x).
struct PackedLinearArgs {
  const uint8_t* x;  // [tokens] rows as QuantizeGroupsArgs makes them
  int64_t x_stride;  // bytes
  const uint8_t* w;  // [out] rows of w_stride bytes
  int64_t w_stride;
  GroupScales scales;  // [out, ceil(in/group)]
  float* y;            // [tokens, out]  overwritten
  int64_t y_stride;
  int64_t tokens;
  int64_t in;
  int bits;
};

/// Bytes of one row of packed weights.
constexpr int64_t packed_weight_stride(int bits, int64_t cols) {
  return (cols * bits + 31) / 32 * 4;
}
/// Columns that one unit of quantised activations covers.
constexpr int64_t packed_unit_codes(int bits, int64_t group) {
  return bits == 8 && group == 32 ? 64 : 128;
}
constexpr int64_t packed_unit_bytes(int bits, int64_t group) {
  return 128 + packed_unit_codes(bits, group);
}
constexpr int64_t packed_row_bytes(int bits, int64_t group, int64_t cols) {
  const int64_t codes = packed_unit_codes(bits, group);
  return (cols + codes - 1) / codes * packed_unit_bytes(bits, group);
}

}  // namespace fathom::kernels
