#pragma once
// Activations quantised to INT8 as the exact form of linear_rows() multiplies them: f32.
#include "kernels/api/packed.h"
#include "kernels/cpu/quantize/integer_groups.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

void quantize_group_rows_f32(const QuantizeGroupsArgs& a, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    const float* x = a.x + row * a.x_stride;
    float* out = reinterpret_cast<float*>(static_cast<char*>(a.out) + row * a.out_stride);
    for (int64_t g = 0; g < a.cols; g += a.group) {
      const int64_t n = min(a.group, a.cols - g);
      const GroupScale s = group_scale(x + g, n);
      for (int64_t i = 0; i < n; i += Vec::kLanes) {
        const Vec code = code_of(load_n(x + g + i, n - i), s.inverse);
        store_n(code * Vec::set1(s.scale), out + g + i, n - i);
      }
    }
  }
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
