#pragma once
// What panels of tokens have in common, whatever their numbers are.
#include "kernels/api/packed.h"
#include "kernels/api/token_panels.h"
#include "kernels/cpu/quantize/integer_groups.inl"
#include "kernels/cpu/quantize/rounding.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

/// scale and 1 / scale of each of 16 rows over a group of columns.
struct PanelScales {
  float scale[16], inverse[16];
};

inline PanelScales fp8_scales(const float* const (&x)[16], int64_t n, int64_t col,
                              bool power_of_2) {
  PanelScales s{};
  for (int r = 0; r < 16; ++r) {
    if (x[r] == nullptr) continue;
    s.scale[r] = scale_of(reduce_max(fold_amax(x[r] + col, n, Vec::zero())), kE4m3Max, power_of_2);
  }
  return s;
}
inline PanelScales int8_scales(const float* const (&x)[16], int64_t n, int64_t col) {
  PanelScales s{};
  for (int r = 0; r < 16; ++r) {
    if (x[r] == nullptr) continue;
    const GroupScale g = group_scale(x[r] + col, n);
    s.scale[r] = g.scale;
    s.inverse[r] = g.inverse;
  }
  return s;
}

inline int64_t stored_row_bytes(WeightType type, int64_t in) {
  switch (type) {
    case WeightType::kF32:
      return in * 4;
    case WeightType::kBf16:
      return in * 2;
    case WeightType::kFp8E4m3:
      return in;
    case WeightType::kInt8:
      return packed_weight_stride(8, in);
    case WeightType::kInt4:
      return packed_weight_stride(4, in);
  }
  return 0;
}

/// Rows from `row` on that are worked on at once, `max_rows` or fewer: within one row of scale
/// blocks.
inline int64_t block_rows(const PanelLinearArgs& a, int64_t row, int64_t end, int64_t max_rows) {
  const int64_t rows = min(max_rows, end - row);
  if (a.w_type != WeightType::kFp8E4m3) return rows;
  return min(rows, kScaleBlock - (a.w_row_offset + row) % kScaleBlock);
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
