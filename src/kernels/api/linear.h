#pragma once
// Arguments of the matrix products. Plain data: kernel files may include nothing else.
#include <cstdint>

namespace fathom::kernels {

enum class WeightType : uint8_t { kF32, kBf16, kFp8E4m3, kInt8, kInt4 };

/// Elements of one activation tile; rows and columns of one weight block.
inline constexpr int64_t kScaleBlock = 128;

enum class ScaleType : uint8_t { kBf16, kF16 };

/// Scales of kInt8 and kInt4 weights, packed as api/packed.h says: one for each `group` columns of
/// a row. A weight is (code - 2^(bits-1)) * scale, or with minima code * scale + minimum.
struct GroupScales {
  const uint16_t* data;
  const uint16_t* minima;  // of INT4 in groups of 32 alone; else nullptr
  ScaleType type;          // of both
  int64_t stride;          // elements from a row to the next, of both
  int64_t group;
};

/// y[t, o] = sum_i x[t, i] * w[o, i]; with scales the sum of each 128 elements of i is multiplied
/// by x_scale[t, i/128] * w_scale[(w_row_offset + o)/128, i/128] before it is added.
struct LinearArgs {
  const void* x;         // [tokens, in]  f32 or bf16
  int64_t x_stride;      // elements
  bool x_is_bf16;        // only with a table that has bf16_dot
  const float* x_scale;  // [tokens, ceil(in/128)] or nullptr: 1. Only with w_scale
  int64_t x_scale_stride;
  const void* w;  // [out, in] contiguous rows
  WeightType w_type;
  const float* w_scale;  // nullptr unless kFp8E4m3
  int64_t w_scale_stride;
  int64_t w_row_offset;  // rows into the first scale block
  GroupScales w_groups;  // kInt8 and kInt4, whose x is f32
  float* y;              // [tokens, out]  overwritten
  int64_t y_stride;
  int64_t tokens;
  int64_t in;
};

/// y[t, i] = sum_o x[t, o] * w[o, i], w dequantised to f32.
struct LinearTransposedArgs {
  const float* x;  // [tokens, out]
  int64_t x_stride;
  const void* w;  // [out, in]
  WeightType w_type;
  const float* w_scale;
  int64_t w_scale_stride;
  int64_t w_row_offset;
  GroupScales w_groups;
  float* y;  // [tokens, in]  overwritten
  int64_t y_stride;
  int64_t tokens;
  int64_t out;
  int64_t in;
};

}  // namespace fathom::kernels
