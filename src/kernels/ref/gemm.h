#pragma once
// The definition of training's product, on the scalar type T (double in tests).
#include "tensor/view.h"

namespace fathom::kernels::ref {

/// c[m, n] (+)= sum_k a[m, k] b[n, k].
template <typename T>
void gemm(View<const T, 2> a, View<const T, 2> b, bool accumulate, View<T, 2> c) {
  for (i64 m = 0; m < a.dim(0); ++m) {
    for (i64 n = 0; n < b.dim(0); ++n) {
      T sum = accumulate ? c(m, n) : T{0};
      for (i64 k = 0; k < a.dim(1); ++k) sum += a(m, k) * b(n, k);
      c(m, n) = sum;
    }
  }
}

}  // namespace fathom::kernels::ref
