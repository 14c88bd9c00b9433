#pragma once
#include <span>

#include "device/op.h"
#include "device/rounding.h"
#include "tensor/saved_matrix.h"
#include "tensor/view.h"

namespace fathom::device {

/// A packed operand [rows, k]; non-owning. How its numbers lie is the device's own affair.
struct PackedMatrix {
  const void* data = nullptr;
  const float* scale = nullptr;  // FP8 only
  i64 rows = 0;
  i64 k = 0;
  i64 k_padded = 0;  // a multiple of the layout's k_multiple
  bool is_bf16 = false;
  bool in_rows = false;  // only a product's a may be

  bool empty() const { return data == nullptr; }
};

/// What is packed: x or its transpose, of all rows or of chosen rows.
struct PackSource {
  SavedMatrix x;                      // of any saved format; an f32 view through the constructor
  i64 row_stride = 0;                 // elements; kF32 and kBf16 only, 0: contiguous
  std::span<const i32> row_ids = {};  // rows of x to take, in order; nullptr data: all
  bool transpose = false;             // false: packed [x rows, x cols]; true: [x cols, x rows]

  /// Only ever a product's a, which instruction sets with tiles read by rows.
  bool left = false;

  PackSource() = default;
  PackSource(View<const float, 2> view, bool transposed = false, std::span<const i32> ids = {});
  explicit PackSource(const SavedMatrix& saved, bool transposed = false,
                      std::span<const i32> ids = {});
  PackSource as_left() const;

  i64 rows_taken() const { return row_ids.data() != nullptr ? std::ssize(row_ids) : x.rows; }
  i64 packed_rows() const { return transpose ? x.cols : rows_taken(); }
  i64 packed_k() const { return transpose ? rows_taken() : x.cols; }
};

struct PackedLayout {
  i64 k_multiple;  // K is padded to a multiple of it
  i64 bytes;       // data and scales
};
/// The layout of a packed [rows, k].
struct PackedLayoutOf {
  static constexpr const char* kName = "packed_layout";
  using Answer = PackedLayout;
  i64 rows;
  i64 k;
  GemmRounding rounding;
};
/// Bytes of the workspace that packing takes beside its result.
struct PackScratchBytes {
  static constexpr const char* kName = "pack_scratch_bytes";
  using Answer = i64;
};
struct Pack {
  static constexpr const char* kName = "pack";
  std::span<const PackSource> sources;
  GemmRounding rounding;
  std::span<u8* const> storage;
  std::span<PackedMatrix> packed;
};

/// c[m, n] = sum_k a[m, k] b[n, k], or += if `accumulate`.
struct GemmJob {
  PackedMatrix a;    // [m, k]
  PackedMatrix b;    // [n, k]  packed by the same instruction set
  View<float, 2> c;  // [m, n] f32  rows may be strided; overlaps no other job's c
  bool accumulate = false;
};

/// How partial sums of FP8 products are held, for study; the default is f32 throughout. Jobs
/// without scales do not look at it.
struct GemmAccumulator {
  /// Products summed before their sum is added to c in f32: even, at least 2. The scales are
  /// applied then, so each block of 128 ends a sum too; above 128 they are applied to each 32
  /// products.
  i64 promotion_interval = 128;
  /// Bits of the partial sum that stay after each 32 products, by truncation: 13 for Hopper's short
  /// accumulator (ISCA §3.1).
  int mantissa_bits = 23;
};
struct Gemm {
  static constexpr const char* kName = "gemm";
  std::span<const GemmJob> jobs;
  GemmAccumulator accumulator;
};

struct SaveMatrix {
  static constexpr const char* kName = "save_matrix";
  View<const float, 2> x;
  SavedMatrix saved;
};
struct LoadMatrix {
  static constexpr const char* kName = "load_matrix";
  SavedMatrix saved;
  View<float, 2> out;
  std::span<const i32> row_ids;  // nullptr data: all in order
};

}  // namespace fathom::device
