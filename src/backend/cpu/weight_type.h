#pragma once
// A weight in the kernels' words.
#include "kernels/api/linear.h"
#include "tensor/mat_ref.h"

namespace fathom::backend::cpu {

kernels::WeightType weight_type(const MatRef& w);
/// Empty unless w is packed integers.
kernels::GroupScales group_scales(const MatRef& w);

}  // namespace fathom::backend::cpu
