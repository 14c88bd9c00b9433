#pragma once
#include <cstdint>

namespace fathom::kernels {

/// y = silu(gate) * up.
struct SiluMulArgs {
  const float* gate;  // [rows, dim]
  int64_t gate_stride;
  const float* up;  // [rows, dim]
  int64_t up_stride;
  float* y;  // [rows, dim]  overwritten; may be gate or up
  int64_t y_stride;
  int64_t dim;
};

/// x += y.
struct AddArgs {
  float* x;  // [rows, dim]
  int64_t x_stride;
  const float* y;  // [rows, dim]
  int64_t y_stride;
  int64_t dim;
};

/// The largest logit of each row and sum exp(logit - largest). The log is the caller's.
struct TokenLogProbsArgs {
  const float* logits;  // [rows, vocab]
  int64_t logits_stride;
  double* max_and_sum;  // [rows, 2]  overwritten
  int64_t vocab;
};

}  // namespace fathom::kernels
