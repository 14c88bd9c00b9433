#pragma once
// The optimizer and what it asks of gradients.
#include <cstdint>

#include "kernels/api/optimizer.h"

namespace fathom::kernels::cpu {

struct OptimizerTable {
  double (*sum_of_squares)(const float* x, int64_t count);
  bool (*all_finite)(const float* x, int64_t count);
  // Elements [begin, end).
  void (*adamw)(const AdamWArgs&, int64_t begin, int64_t end);
  void (*adamw_bf16)(const AdamWArgs&, int64_t begin, int64_t end);
  void (*ema)(const EmaArgs&, int64_t begin, int64_t end);
};

}  // namespace fathom::kernels::cpu
