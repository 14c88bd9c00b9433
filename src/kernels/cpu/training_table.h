#pragma once
// What one instruction set offers for the rest of training: gradients of norms, activations, the
// router and the loss; the optimizer. Filled by training_<isa>.cc; reached through
// IsaTable::training.
#include <cstdint>

#include "kernels/api/weighted_silu.h"

namespace fathom::kernels::cpu {

struct TrainingTable {
  const char* name;

  void (*weighted_silu_mul_rows)(const WeightedSiluMulArgs&, int64_t begin, int64_t end);
  void (*weighted_silu_mul_backward_rows)(const WeightedSiluMulBackwardArgs&, int64_t begin,
                                          int64_t end);
};

}  // namespace fathom::kernels::cpu
