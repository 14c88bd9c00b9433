#pragma once
#include <cstdint>

namespace fathom::kernels {

/// y = x * rstd * weight, rstd = 1 / sqrt(mean x^2 + eps), a row at a time.
struct RmsNormForwardArgs {
  const float* x;  // [rows, dim]
  int64_t x_stride;
  const float* weight;  // [dim]
  float* y;             // [rows, dim]  overwritten; may be x
  int64_t y_stride;
  float* rstd;  // [rows] or nullptr
  int64_t rows;
  int64_t dim;
  float eps;
};

}  // namespace fathom::kernels
