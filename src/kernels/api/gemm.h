#pragma once
// Arguments of the products of training: matrices saved in few bytes, packing, the multiplier.
// Plain data: kernel files may include nothing else.
#include <cstdint>

#include "kernels/api/linear.h"

namespace fathom::kernels {

/// As tensor/saved_matrix.h.
enum class SavedType : uint8_t { kF32, kBf16, kE4m3Tiles, kE5m6Tiles };

/// A matrix [rows, cols] in rows of bytes.
struct SavedRows {
  uint8_t* data;
  float* scale;  // [rows, scale_stride], one a 1x128 tile; tiles only
  int64_t row_bytes;
  int64_t scale_stride;
  SavedType type;
};

/// Rows i of x and row ids[i] (nullptr: i) of saved; saving ignores ids.
struct SaveArgs {
  SavedRows saved;
  const int32_t* ids;
  float* x;  // [rows, cols]  saving reads it, loading writes it
  int64_t x_stride;
  int64_t cols;
};

/// Rows of a packed panel.
inline constexpr int64_t kPanelRows = 16;

enum class PackFormat : uint8_t { kF32, kBf16, kE4m3, kE5m2 };

/// packed[r, k] = round(source / scale), source = x[ids[r], k], or x[ids[k], r] if transposed.
/// Works on units: block (r, k) of 128 x 128 packed numbers, unit = r * ceil(k_padded/128) + k.
struct PackArgs {
  SavedRows x;
  const int32_t* ids;  // rows of x; nullptr: all in order
  bool transpose;
  int64_t rows, k;   // of the packed operand
  int64_t k_padded;  // zeros from k on
  PackFormat format;
  bool is_bf16;  // panels of bf16 pairs, else of f32
  bool in_rows;  // BF16 as [k/32][16][32] in each panel, where a table has tiles
  // FP8 only. A scale comes from row_scale [rows to a multiple of 128] if that is given, else from
  // the largest number of a row's 128 (tile) or of all 128 rows' (block).
  const float* row_scale;
  bool block_scales;
  bool power_of_2;
  void* data;    // [ceil(rows/16), k_padded, 16] in the order of gemm_micro.inl
  float* scale;  // [ceil(rows/16), k_padded/128, 16]
};

/// c[m, n] (+)= sum_k a[m, k] b[n, k] of packed operands; with scales the sum of each 128 products
/// is multiplied by both before it is added.
struct GemmArgs {
  const void* a;
  bool a_in_rows;        // as PackArgs::in_rows
  const float* a_scale;  // nullptr: none, then b has none
  int64_t m;
  const void* b;
  const float* b_scale;
  int64_t n;
  int64_t k;  // zeros from here on
  int64_t k_padded;
  bool is_bf16;
  float* c;
  int64_t c_stride;
  bool accumulate;
  // Scaled products only: products summed before their sum is added to c, and the mantissa of that
  // sum after each 32.
  int64_t promotion_interval;
  int mantissa_bits;
};

}  // namespace fathom::kernels
