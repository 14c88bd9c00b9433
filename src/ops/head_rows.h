#pragma once
// A view of heads as the attention kernels take it. Internal to ops/.
#include "kernels/api/attention.h"
#include "tensor/view.h"

namespace fathom::ops {

/// x [rows, heads, dim] with a contiguous last axis.
inline kernels::HeadRows head_rows(const View<const float, 3>& x) {
  return {x.data(), x.stride(0), x.stride(1)};
}

}  // namespace fathom::ops
