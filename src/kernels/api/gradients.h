#pragma once
// Gradients of norms, activations and the embedding.
#include <cstdint>

namespace fathom::kernels {

/// Rows of one block add their part of dweight in one partial sum, so the number of threads does
/// not show in the result.
inline constexpr int64_t kGradientBlockRows = 64;

/// dx = rstd * (w dy - xhat * mean(w dy xhat)), xhat = x * rstd; partial += dy * xhat.
struct RmsNormBackwardArgs {
  const float* dy;  // [rows, dim]
  int64_t dy_stride;
  const float* x;  // [rows, dim]
  int64_t x_stride;
  const float* weight;  // [dim]
  const float* rstd;    // [rows]
  float* dx;            // [rows, dim]  may be dy if overwritten
  int64_t dx_stride;
  float* partial;  // [ceil(rows / kGradientBlockRows), dim]  overwritten: dweight of each block
  int64_t rows, dim;
  bool accumulate_dx;
};

/// out[i] += sum_r x[r, i], rows in order.
struct AddRowSumsArgs {
  const float* x;  // [rows, dim]  contiguous
  float* out;      // [dim]  accumulated
  int64_t rows, dim;
};

/// dgate = dy up s (1 + gate (1 - s)), dup = dy gate s, s = sigmoid(gate).
struct SiluMulBackwardArgs {
  const float* dy;  // [rows, dim]
  int64_t dy_stride;
  const float* gate;  // [rows, dim]
  int64_t gate_stride;
  const float* up;  // [rows, dim]
  int64_t up_stride;
  float* dgate;  // [rows, dim]  overwritten; each result may be any of the inputs
  int64_t dgate_stride;
  float* dup;  // [rows, dim]  overwritten
  int64_t dup_stride;
  float* y;  // [rows, dim] silu(gate) * up, or nullptr
  int64_t y_stride;
  int64_t dim;
};

/// table[ids[t]] += x[t] for t in order; an id below 0 is skipped.
struct ScatterAddArgs {
  const float* x;  // [tokens, dim]
  int64_t x_stride;
  const int32_t* ids;  // [tokens]
  float* table;        // [.., dim]  accumulated
  int64_t table_stride;
  int64_t tokens;
};

}  // namespace fathom::kernels
