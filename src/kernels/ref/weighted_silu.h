#pragma once
#include <cmath>

#include "tensor/view.h"

namespace fathom::kernels::ref {

/// y[t, i] = weight[t] * silu(gate[t, i]) * up[t, i].
template <typename T>
void weighted_silu_mul_forward(View<const T, 2> gate, View<const T, 2> up, View<const T, 1> weight,
                               View<T, 2> y) {
  for (i64 t = 0; t < y.dim(0); ++t) {
    for (i64 i = 0; i < y.dim(1); ++i) {
      y(t, i) = weight(t) * gate(t, i) / (T(1) + std::exp(-gate(t, i))) * up(t, i);
    }
  }
}

template <typename T>
void weighted_silu_mul_backward(View<const T, 2> dy, View<const T, 2> gate, View<const T, 2> up,
                                View<const T, 1> weight, View<T, 2> dgate, View<T, 2> dup,
                                View<T, 1> dweight) {
  for (i64 t = 0; t < dy.dim(0); ++t) {
    T sum = 0;
    for (i64 i = 0; i < dy.dim(1); ++i) {
      const T z = gate(t, i), s = T(1) / (T(1) + std::exp(-z));
      sum += dy(t, i) * z * s * up(t, i);
      dgate(t, i) = weight(t) * dy(t, i) * up(t, i) * s * (T(1) + z * (T(1) - s));
      dup(t, i) = weight(t) * dy(t, i) * z * s;
    }
    dweight(t) = sum;
  }
}

}  // namespace fathom::kernels::ref
