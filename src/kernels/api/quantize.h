#pragma once
#include <cstdint>

#include "kernels/api/linear.h"

namespace fathom::kernels {

/// x rounded to BF16, stored as BF16 or, for tables without BF16 dot products, as f32.
struct RoundBf16Args {
  const float* x;  // [rows, cols]
  int64_t x_stride;
  void* out;  // [rows, cols]
  int64_t out_stride;
  bool out_is_bf16;
  int64_t cols;
};

/// q = round_e4m3(x / s), s = max(amax, 1e-4) / 448 over each 1x128 tile; q is an E4M3 value held
/// in bf16 or f32 (both exact).
struct QuantizeTilesArgs {
  const float* x;  // [rows, cols]
  int64_t x_stride;
  void* out;  // [rows, cols]
  int64_t out_stride;
  bool out_is_bf16;
  bool power_of_2;  // scales rounded up to a power of two
  float* scale;     // [rows, ceil(cols/128)]
  int64_t scale_stride;
  int64_t cols;
};

/// The same with one scale a 128x128 block, to E4M3 codes. Works on rows of blocks.
struct QuantizeBlocksArgs {
  const float* x;  // [rows, cols]
  int64_t x_stride;
  uint8_t* q;  // [rows, cols]
  int64_t q_stride;
  float* scale;  // [ceil(rows/128), ceil(cols/128)]
  int64_t scale_stride;
  int64_t rows, cols;
  bool power_of_2;
};

/// out[i] = w[ids[i]] in f32; ids nullptr: row i.
struct DecodeRowsArgs {
  const void* w;  // [*, cols] contiguous rows
  WeightType w_type;
  const float* w_scale;
  int64_t w_scale_stride;
  int64_t w_row_offset;
  GroupScales w_groups;
  const int32_t* ids;
  float* out;  // [rows, cols]  overwritten
  int64_t out_stride;
  int64_t cols;
};

/// Rows of a cache: `fp8_cols` E4M3 codes, their f32 scales (one a 128), the rest bf16 or f32.
struct CacheRowsArgs {
  const float* x;  // [rows, cols]: store
  float* out;      // [rows, cols]: load
  int64_t row_stride;
  uint8_t* cache;  // first row
  int64_t row_bytes;
  int64_t cols, fp8_cols;
  bool f32;  // the part that is not E4M3, else bf16
};

}  // namespace fathom::kernels
