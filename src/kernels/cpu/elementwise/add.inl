#pragma once
#include "kernels/api/elementwise.h"
#include "kernels/api/gradients.h"
#include "kernels/cpu/isa/each_vec.inl"
#include "kernels/cpu/isa/vec_functions.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

void add_rows(const AddArgs& a, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    float* x = a.x + row * a.x_stride;
    const float* y = a.y + row * a.y_stride;
    for (int64_t i = 0; i < a.dim; i += Vec::kLanes) {
      const int64_t n = a.dim - i;
      store_n(load_n(x + i, n) + load_n(y + i, n), x + i, n);
    }
  }
}

/// Columns [begin, end) of every token: each row of the table is summed in the order of tokens.
void scatter_add_cols(const ScatterAddArgs& a, int64_t begin, int64_t end) {
  for (int64_t t = 0; t < a.tokens; ++t) {
    if (a.ids[t] < 0) continue;
    const float* x = a.x + t * a.x_stride + begin;
    float* row = a.table + a.ids[t] * a.table_stride + begin;
    each_vec(end - begin, [&](int64_t i, auto n) {
      store_n(load_n(row + i, n) + load_n(x + i, n), row + i, n);
    });
  }
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
