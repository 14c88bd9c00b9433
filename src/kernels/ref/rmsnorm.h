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

/// dx = rstd (w dy - xhat mean(w dy xhat)), dweight += sum_t dy xhat, xhat = x rstd.
template <typename T>
void rmsnorm_backward(View<const T, 2> dy, View<const T, 2> x, View<const T, 1> weight, double eps,
                      View<T, 2> dx, View<T, 1> dweight) {
  const T dim = static_cast<T>(x.dim(1));
  for (i64 t = 0; t < x.dim(0); ++t) {
    T sum_sq = 0, dot = 0;
    for (i64 i = 0; i < x.dim(1); ++i) sum_sq += x(t, i) * x(t, i);
    const T rstd = T(1) / std::sqrt(sum_sq / dim + static_cast<T>(eps));
    for (i64 i = 0; i < x.dim(1); ++i) dot += weight(i) * dy(t, i) * x(t, i) * rstd;
    for (i64 i = 0; i < x.dim(1); ++i) {
      const T xhat = x(t, i) * rstd;
      dweight(i) += dy(t, i) * xhat;
      dx(t, i) = rstd * (weight(i) * dy(t, i) - xhat * dot / dim);
    }
  }
}

}  // namespace fathom::kernels::ref
