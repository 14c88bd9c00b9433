#pragma once
// What one instruction set offers for the rest of training: gradients of norms, activations, the
// router and the loss; the optimizer. Filled by training_<isa>.cc; reached through
// IsaTable::training.
#include <cstdint>

namespace fathom::kernels::cpu {

struct TrainingTable {
  const char* name;
};

}  // namespace fathom::kernels::cpu
