#pragma once
#include <cmath>
#include <span>
#include <vector>

#include "tensor/view.h"

namespace fathom::kernels::ref {

/// Pair i = (a, b) of each head is rotated by positions[t] * frequency[i], times `factor`.
/// `halves`: the pair is (i, i + pairs), else (2i, 2i + 1).
template <typename T>
void rope_forward_inplace(std::span<const double> frequency, double factor, bool halves,
                          View<const i64, 1> positions, View<T, 3> x) {
  const i64 pairs = static_cast<i64>(frequency.size());
  for (i64 t = 0; t < x.dim(0); ++t) {
    for (i64 h = 0; h < x.dim(1); ++h) {
      for (i64 i = 0; i < pairs; ++i) {
        const double angle = static_cast<double>(positions(t)) * frequency[static_cast<size_t>(i)];
        const T cos = static_cast<T>(factor * std::cos(angle));
        const T sin = static_cast<T>(factor * std::sin(angle));
        T& a = x(t, h, halves ? i : 2 * i);
        T& b = x(t, h, halves ? i + pairs : 2 * i + 1);
        const T re = a * cos - b * sin, im = a * sin + b * cos;
        a = re;
        b = im;
      }
    }
  }
}

/// The transpose of that linear map: the angle is negative, the factor stays.
template <typename T>
void rope_backward_inplace(std::span<const double> frequency, double factor, bool halves,
                           View<const i64, 1> positions, View<T, 3> dx) {
  std::vector<double> negative(frequency.begin(), frequency.end());
  for (double& f : negative) f = -f;
  rope_forward_inplace<T>(negative, factor, halves, positions, dx);
}

}  // namespace fathom::kernels::ref
