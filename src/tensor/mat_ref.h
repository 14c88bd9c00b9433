#pragma once
// MatRef: a 2-D weight of any stored type together with its scales. Scales never travel as a
// loose pointer beside a tensor.
#include <string>

#include "base/check.h"
#include "base/dtype.h"
#include "base/types.h"
#include "tensor/view.h"

namespace fathom {

/// A non-owning weight matrix, [rows = out, cols = in], row-major, contiguous rows.
///   dtype kF32 | kBF16 | kF8E4M3. kF8E4M3 has scale [ceil(rows/128), ceil(cols/128)] f32 and means
///   w[r, c] = data[r, c] * scale[r/128, c/128] (the checkpoint's `weight_scale_inv`, multiplied).
/// kI32 holds integers of `bits` = 4 or 8 as `compressed-tensors` packs them: a row is ceil(cols *
/// bits / 32) words, each of 32 / bits codes, the first in the lowest bits, and
///   w[r, c] = (code - 2^(bits-1)) * group_scale[r, c / group_size],
/// or, where groups have minima,
///   w[r, c] = code * group_scale[r, c / group_size] + group_minimum[r, c / group_size].
/// `row_offset`: rows into the first scale block, so that a row slice of a scaled matrix stays
/// exact.
struct MatRef {
  const void* data = nullptr;
  DType dtype = DType::kF32;
  i64 rows = 0;
  i64 cols = 0;
  const float* scale = nullptr;  // nullptr unless block-scaled
  i64 scale_stride = 0;          // elements between scale rows
  i64 row_offset = 0;            // 0 <= row_offset < 128
  int bits = 0;                  // 0 unless dtype is kI32
  i64 group_size = 0;
  const u16* group_scale = nullptr;    // [rows, ceil(cols / group_size)]
  const u16* group_minimum = nullptr;  // the same, or nullptr
  DType group_dtype = DType::kBF16;    // of both: kBF16 | kF16
  i64 group_stride = 0;                // elements between rows of both

  MatRef() = default;
  explicit MatRef(View<const float, 2> w)
      : data(w.data()), dtype(DType::kF32), rows(w.dim(0)), cols(w.dim(1)) {
    FATHOM_CHECK(w.contiguous(), "weight matrix ", w, " must be contiguous");
  }

  bool empty() const { return data == nullptr; }
  i64 row_bytes() const {
    return bits == 0 ? cols * dtype_bytes(dtype) : (cols * bits + 31) / 32 * 4;
  }
  i64 size_bytes() const { return rows * row_bytes(); }
  /// Bytes from the first scale that these rows need to the end of the last.
  i64 scale_bytes() const {
    if (scale == nullptr || rows == 0) return 0;
    return ((row_offset + rows - 1) / 128 * scale_stride + (cols + 127) / 128) *
           static_cast<i64>(sizeof(float));
  }
  /// Bytes of the scales of groups; their minima, if there are any, take as many.
  i64 group_scale_bytes() const {
    if (group_scale == nullptr || rows == 0) return 0;
    return ((rows - 1) * group_stride + (cols + group_size - 1) / group_size) *
           static_cast<i64>(sizeof(u16));
  }
  /// With the scales that these rows need.
  i64 stored_bytes() const {
    return size_bytes() + scale_bytes() + group_scale_bytes() * (group_minimum == nullptr ? 1 : 2);
  }
  /// Stored alike, whatever the shape.
  bool same_type(const MatRef& other) const {
    return dtype == other.dtype && bits == other.bits && group_size == other.group_size &&
           group_dtype == other.group_dtype &&
           (group_minimum == nullptr) == (other.group_minimum == nullptr);
  }

  /// Rows [begin, begin + count) as a matrix of their own.
  MatRef row_slice(i64 begin, i64 count) const {
    FATHOM_CHECK(begin >= 0 && count >= 0 && begin + count <= rows, "rows [", begin, ", ",
                 begin + count, ") of ", *this);
    MatRef part = *this;
    part.data = static_cast<const u8*>(data) + begin * row_bytes();
    part.rows = count;
    if (bits != 0) part.group_scale = group_scale + begin * group_stride;
    if (group_minimum != nullptr) part.group_minimum = group_minimum + begin * group_stride;
    if (scale != nullptr) {
      const i64 first = row_offset + begin;
      part.scale = scale + first / 128 * scale_stride;
      part.row_offset = first % 128;
    }
    return part;
  }

  friend std::string to_string(const MatRef& m) {
    const std::string type = m.bits == 0 ? std::string(dtype_name(m.dtype))
                                         : "INT" + std::to_string(m.bits) + " in groups of " +
                                               std::to_string(m.group_size) +
                                               (m.group_minimum == nullptr ? "" : " with minima");
    return "[" + std::to_string(m.rows) + ", " + std::to_string(m.cols) + "] " + type;
  }
};

}  // namespace fathom
