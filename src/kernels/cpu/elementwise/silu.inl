#pragma once
#include "kernels/api/elementwise.h"
#include "kernels/api/gradients.h"
#include "kernels/api/weighted_silu.h"
#include "kernels/cpu/isa/each_vec.inl"
#include "kernels/cpu/isa/vec_functions.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

void silu_mul_rows(const SiluMulArgs& a, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    const float* gate = a.gate + row * a.gate_stride;
    const float* up = a.up + row * a.up_stride;
    float* y = a.y + row * a.y_stride;
    for (int64_t i = 0; i < a.dim; i += Vec::kLanes) {
      const int64_t n = a.dim - i;
      store_n(silu_mul(load_n(gate + i, n), load_n(up + i, n)), y + i, n);
    }
  }
}

void silu_mul_backward_rows(const SiluMulBackwardArgs& a, int64_t begin, int64_t end) {
  const Vec one = Vec::set1(1.0f);
  for (int64_t row = begin; row < end; ++row) {
    const float* dy = a.dy + row * a.dy_stride;
    const float* gate = a.gate + row * a.gate_stride;
    const float* up = a.up + row * a.up_stride;
    float* dgate = a.dgate + row * a.dgate_stride;
    float* dup = a.dup + row * a.dup_stride;
    float* y = a.y == nullptr ? nullptr : a.y + row * a.y_stride;
    each_vec(a.dim, [&](int64_t i, auto n) {
      const Vec z = load_n(gate + i, n), u = load_n(up + i, n), g = load_n(dy + i, n);
      const Vec divisor = one + exp(Vec::zero() - z);
      if (y != nullptr) store_n(z / divisor * u, y + i, n);  // the bits of silu_mul_rows
      const Vec s = one / divisor, silu = z * s;
      store_n(g * u * fma(silu, one - s, s), dgate + i, n);
      store_n(g * silu, dup + i, n);
    });
  }
}

void weighted_silu_mul_rows(const WeightedSiluMulArgs& a, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    const float* gate = a.gate + row * a.gate_stride;
    const float* up = a.up + row * a.up_stride;
    float* y = a.y + row * a.y_stride;
    const Vec weight = Vec::set1(a.weight[row]);
    for (int64_t i = 0; i < a.dim; i += Vec::kLanes) {
      const int64_t n = a.dim - i;
      const Vec z = load_n(gate + i, n);
      store_n(z * sigmoid(z) * (weight * load_n(up + i, n)), y + i, n);
    }
  }
}

void weighted_silu_mul_backward_rows(const WeightedSiluMulBackwardArgs& a, int64_t begin,
                                     int64_t end) {
  const Vec one = Vec::set1(1.0f);
  for (int64_t row = begin; row < end; ++row) {
    const float* dy = a.dy + row * a.dy_stride;
    const float* gate = a.gate + row * a.gate_stride;
    const float* up = a.up + row * a.up_stride;
    float* dgate = a.dgate + row * a.dgate_stride;
    float* dup = a.dup + row * a.dup_stride;
    float* y = a.y == nullptr ? nullptr : a.y + row * a.y_stride;
    const Vec weight = Vec::set1(a.weight[row]);
    Vec sum = Vec::zero();
    for (int64_t i = 0; i < a.dim; i += Vec::kLanes) {
      const int64_t n = a.dim - i;
      const Vec z = load_n(gate + i, n), u = load_n(up + i, n), d = load_n(dy + i, n);
      const Vec s = sigmoid(z), silu = z * s, wd = weight * d, wu = weight * u;
      sum = fma(d * silu, u, sum);
      store_n(wd * u * s * fma(z, one - s, one), dgate + i, n);
      store_n(wd * silu, dup + i, n);
      if (y != nullptr) store_n(silu * wu, y + i, n);
    }
    a.dweight[row] = reduce_add(sum);
  }
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
