#pragma once
// RMSNorm and its gradients.
#include <cstdint>

#include "kernels/api/gradients.h"
#include "kernels/api/rmsnorm.h"

namespace fathom::kernels::cpu {

struct NormTable {
  void (*rmsnorm_forward_rows)(const RmsNormForwardArgs&, int64_t begin, int64_t end);
  void (*rmsnorm_backward_blocks)(const RmsNormBackwardArgs&, int64_t begin, int64_t end);
  void (*add_row_sums_cols)(const AddRowSumsArgs&, int64_t begin, int64_t end);
};

}  // namespace fathom::kernels::cpu
