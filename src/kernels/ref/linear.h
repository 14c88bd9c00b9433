#pragma once
// The definition of the matrix products, on the scalar type T (double in tests).
#include "tensor/view.h"

namespace fathom::kernels::ref {

/// y[t, o] = sum_i x[t, i] * w[o, i].
template <typename T>
void linear_forward(View<const T, 2> x, View<const T, 2> w, View<T, 2> y) {
  for (i64 t = 0; t < x.dim(0); ++t) {
    for (i64 o = 0; o < w.dim(0); ++o) {
      T sum = 0;
      for (i64 i = 0; i < x.dim(1); ++i) sum += x(t, i) * w(o, i);
      y(t, o) = sum;
    }
  }
}

/// y[t, i] = sum_o x[t, o] * w[o, i].
template <typename T>
void linear_transposed_forward(View<const T, 2> x, View<const T, 2> w, View<T, 2> y) {
  for (i64 t = 0; t < x.dim(0); ++t) {
    for (i64 i = 0; i < w.dim(1); ++i) {
      T sum = 0;
      for (i64 o = 0; o < w.dim(0); ++o) sum += x(t, o) * w(o, i);
      y(t, i) = sum;
    }
  }
}

}  // namespace fathom::kernels::ref
