#pragma once
// A view of heads as the attention kernels take it.
#include "kernels/api/causal_attention.h"
#include "tensor/view.h"

namespace fathom::backend::cpu {

/// x [rows, heads, dim] with a contiguous last axis; an empty one has no data.
inline kernels::HeadRows head_rows(const View<const float, 3>& x) {
  return {x.data(), x.stride(0), x.stride(1)};
}
inline kernels::HeadRowsOut head_rows_out(const View<float, 3>& x) {
  return {x.data(), x.stride(0), x.stride(1)};
}

}  // namespace fathom::backend::cpu
