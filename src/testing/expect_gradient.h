#pragma once
// The first hop of a gradient's test: the analytic gradient of a function in double against central
// differences of the function itself.
#include <algorithm>
#include <cmath>
#include <string>

#include "testing/expect.h"

namespace fathom::testing {

/// The worst error of central differences, relative to the largest gradient: fourth-order formula,
/// so a step of 1e-3 leaves h^4 and rounding of about 1e-16 / h, both near 1e-12.
inline constexpr double kGradientRelTol = 1e-8;

/// Expects d loss() / d x[i] == dx[i] for every i, within tolerance.rel of the largest |dx| (or of
/// 1e-3, if all are smaller). `loss` reads x, which is put back after each change.
template <typename Loss>
void expect_gradient(const Loss& loss, Tensor<double>& x, const Tensor<double>& dx,
                     const std::string& what = "", double rel = kGradientRelTol) {
  ASSERT_EQ(x.dims(), dx.dims()) << what;
  double scale = 1e-3;
  for (i64 i = 0; i < dx.size(); ++i) scale = std::max(scale, std::abs(dx[i]));
  for (i64 i = 0; i < x.size(); ++i) {
    const double at = x[i], h = 1e-3 * std::max(1.0, std::abs(at));
    const auto loss_at = [&](double value) {
      x[i] = value;
      return loss();
    };
    const double near = loss_at(at + h) - loss_at(at - h);
    const double far = loss_at(at + 2 * h) - loss_at(at - 2 * h);
    x[i] = at;
    const double difference = (8 * near - far) / (12 * h);
    ASSERT_NEAR(dx[i], difference, rel * scale) << what << " at " << coordinate(i, x.dims());
  }
}

/// sum_i a[i] b[i]: the loss whose gradient by b is a.
inline double dot(const Tensor<double>& a, const Tensor<double>& b) {
  double sum = 0.0;
  for (i64 i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace fathom::testing
