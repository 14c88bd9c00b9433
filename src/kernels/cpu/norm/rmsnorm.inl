#pragma once
#include "kernels/api/gradients.h"
#include "kernels/api/rmsnorm.h"
#include "kernels/cpu/isa/each_vec.inl"
#include "kernels/cpu/isa/vec_functions.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

void rmsnorm_forward_rows(const RmsNormForwardArgs& a, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    const float* x = a.x + row * a.x_stride;
    float* y = a.y + row * a.y_stride;

    Vec sum = Vec::zero();
    for (int64_t i = 0; i < a.dim; i += Vec::kLanes) {
      const Vec v = load_n(x + i, a.dim - i);
      sum = fma(v, v, sum);
    }
    const float rstd = 1.0f / __builtin_sqrtf(reduce_add(sum) / static_cast<float>(a.dim) + a.eps);
    if (a.rstd != nullptr) a.rstd[row] = rstd;
    for (int64_t i = 0; i < a.dim; i += Vec::kLanes) {
      const int64_t n = a.dim - i;
      store_n(load_n(x + i, n) * Vec::set1(rstd) * load_n(a.weight + i, n), y + i, n);
    }
  }
}

/// One row; `partial` gains its part of dweight.
inline void rmsnorm_backward_row(const RmsNormBackwardArgs& a, int64_t row, float* partial) {
  const float* dy = a.dy + row * a.dy_stride;
  const float* x = a.x + row * a.x_stride;
  float* dx = a.dx + row * a.dx_stride;
  const Vec rstd = Vec::set1(a.rstd[row]);
  Vec sum = Vec::zero();
  each_vec(a.dim, [&](int64_t i, auto n) {
    sum = fma(load_n(a.weight + i, n) * load_n(dy + i, n), load_n(x + i, n) * rstd, sum);
  });
  const Vec mean = Vec::set1(reduce_add(sum) / static_cast<float>(a.dim));
  each_vec(a.dim, [&](int64_t i, auto n) {
    const Vec g = load_n(dy + i, n), xhat = load_n(x + i, n) * rstd;
    store_n(fma(g, xhat, load_n(partial + i, n)), partial + i, n);
    const Vec d = rstd * (load_n(a.weight + i, n) * g - xhat * mean);
    store_n(a.accumulate_dx ? load_n(dx + i, n) + d : d, dx + i, n);
  });
}

/// Blocks [begin, end) of kGradientBlockRows rows.
void rmsnorm_backward_blocks(const RmsNormBackwardArgs& a, int64_t begin, int64_t end) {
  for (int64_t block = begin; block < end; ++block) {
    float* partial = a.partial + block * a.dim;
    each_vec(a.dim, [&](int64_t i, auto n) { store_n(Vec::zero(), partial + i, n); });
    const int64_t stop = min(a.rows, (block + 1) * kGradientBlockRows);
    for (int64_t row = block * kGradientBlockRows; row < stop; ++row) {
      rmsnorm_backward_row(a, row, partial);
    }
  }
}

/// Columns [begin, end).
void add_row_sums_cols(const AddRowSumsArgs& a, int64_t begin, int64_t end) {
  each_vec(end - begin, [&](int64_t i, auto n) {
    Vec sum = Vec::zero();
    for (int64_t r = 0; r < a.rows; ++r) sum = sum + load_n(a.x + r * a.dim + begin + i, n);
    store_n(load_n(a.out + begin + i, n) + sum, a.out + begin + i, n);
  });
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
