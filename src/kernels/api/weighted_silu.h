#pragma once
#include <cstdint>

namespace fathom::kernels {

/// y[t] = weight[t] * silu(gate[t]) * up[t].
struct WeightedSiluMulArgs {
  const float* gate;  // [rows, dim]
  int64_t gate_stride;
  const float* up;  // [rows, dim]
  int64_t up_stride;
  const float* weight;  // [rows]
  float* y;             // [rows, dim]  overwritten; may be gate or up
  int64_t y_stride;
  int64_t dim;
};

/// With s = sigmoid(gate): dgate = w dy up s (1 + gate (1 - s)), dup = w dy gate s,
/// dweight = sum_i dy gate s up.
struct WeightedSiluMulBackwardArgs {
  const float* dy;  // [rows, dim]
  int64_t dy_stride;
  const float* gate;  // [rows, dim]
  int64_t gate_stride;
  const float* up;  // [rows, dim]
  int64_t up_stride;
  const float* weight;  // [rows]
  float* dgate;         // [rows, dim]  overwritten; each result may be any of the inputs
  int64_t dgate_stride;
  float* dup;  // [rows, dim]  overwritten
  int64_t dup_stride;
  float* dweight;  // [rows]  overwritten
  float* y;        // [rows, dim]  the forward result, or nullptr
  int64_t y_stride;
  int64_t dim;
};

}  // namespace fathom::kernels
