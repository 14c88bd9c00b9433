#pragma once
#include <cmath>

#include "tensor/view.h"

namespace fathom::kernels::ref {

/// y[t, i] = x[t, i] * weight[i] / sqrt(mean_i x[t, i]^2 + eps).
template <typename T>
void rmsnorm_forward(View<const T, 2> x, View<const T, 1> weight, double eps, View<T, 2> y) {
  for (i64 t = 0; t < x.dim(0); ++t) {
    T sum_sq = 0;
    for (i64 i = 0; i < x.dim(1); ++i) sum_sq += x(t, i) * x(t, i);
    const T rstd = T(1) / std::sqrt(sum_sq / static_cast<T>(x.dim(1)) + static_cast<T>(eps));
    for (i64 i = 0; i < x.dim(1); ++i) y(t, i) = x(t, i) * rstd * weight(i);
  }
}

}  // namespace fathom::kernels::ref
