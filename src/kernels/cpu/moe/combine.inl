#pragma once
// Sums over the permuted rows of each token, and their gradients.
#include "kernels/api/moe.h"
#include "kernels/api/moe_train.h"
#include "kernels/cpu/isa/each_vec.inl"
#include "kernels/cpu/isa/vec_functions.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

void combine_rows(const CombineRowsArgs& a, int64_t begin, int64_t end) {
  for (int64_t token = begin; token < end; ++token) {
    const int32_t* rows = a.rows + token * a.topk;
    const float* weights = a.weights + token * a.topk;
    int64_t first = 0, last = a.topk;
    while (first < last && rows[first] < a.row_begin) ++first;
    while (last > first && rows[last - 1] >= a.row_end) --last;
    if (a.accumulate && first == last) continue;
    float* y = a.y + token * a.y_stride;
    for (int64_t i = 0; i < a.dim; i += Vec::kLanes) {
      const int64_t n = a.dim - i;
      Vec sum = a.accumulate ? load_n(y + i, n) : Vec::zero();
      for (int64_t j = first; j < last; ++j) {
        const float* x = a.x + (rows[j] - a.row_begin) * a.x_stride;
        sum = fma(Vec::set1(weights[j]), load_n(x + i, n), sum);
      }
      store_n(sum, y + i, n);
    }
  }
}

void combine_permuted_rows(const CombinePermutedArgs& a, int64_t begin, int64_t end) {
  for (int64_t t = begin; t < end; ++t) {
    const int32_t* rows = a.rows + t * a.topk;
    const float* weights = a.weights + t * a.topk;
    float* y = a.y + t * a.y_stride;
    int64_t count = 0;
    while (count < a.topk && rows[count] >= 0) ++count;
    each_vec(a.dim, [&](int64_t i, auto n) {
      Vec sum = Vec::zero();
      for (int64_t j = 0; j < count; ++j) {
        sum = fma(Vec::set1(weights[j]), load_n(a.x + rows[j] * a.x_stride + i, n), sum);
      }
      store_n(a.accumulate ? load_n(y + i, n) + sum : sum, y + i, n);
    });
  }
}

void combine_permuted_backward_rows(const CombinePermutedBackwardArgs& a, int64_t begin,
                                    int64_t end) {
  for (int64_t t = begin; t < end; ++t) {
    const float* dy = a.dy + t * a.dy_stride;
    for (int64_t j = 0; j < a.topk; ++j) {
      const int32_t row = a.row_of[t * a.row_of_stride + j];
      float* dweight = a.dweights + t * a.dweights_stride + j;
      if (row < 0) {
        *dweight = 0.0f;
        continue;
      }
      const Vec weight = Vec::set1(a.weights[t * a.weights_stride + j]);
      const float* x = a.x + row * a.x_stride;
      float* dx = a.dx + row * a.dx_stride;
      Vec dot = Vec::zero();
      each_vec(a.dim, [&](int64_t i, auto n) {
        const Vec g = load_n(dy + i, n);
        dot = fma(g, load_n(x + i, n), dot);
        store_n(weight * g, dx + i, n);
      });
      *dweight = reduce_add(dot);
    }
  }
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
