#pragma once
// What works on each number by itself, or on a pair: activations, sums, RoPE.
#include <cstdint>

#include "kernels/api/elementwise.h"
#include "kernels/api/gradients.h"
#include "kernels/api/rope.h"
#include "kernels/api/weighted_silu.h"

namespace fathom::kernels::cpu {

struct ElementwiseTable {
  void (*silu_mul_rows)(const SiluMulArgs&, int64_t begin, int64_t end);
  void (*silu_mul_backward_rows)(const SiluMulBackwardArgs&, int64_t begin, int64_t end);
  void (*weighted_silu_mul_rows)(const WeightedSiluMulArgs&, int64_t begin, int64_t end);
  void (*weighted_silu_mul_backward_rows)(const WeightedSiluMulBackwardArgs&, int64_t begin,
                                          int64_t end);
  void (*add_rows)(const AddArgs&, int64_t begin, int64_t end);
  void (*scatter_add_cols)(const ScatterAddArgs&, int64_t begin, int64_t end);
  void (*rope_forward_rows)(const RopeForwardArgs&, int64_t begin, int64_t end);
};

}  // namespace fathom::kernels::cpu
