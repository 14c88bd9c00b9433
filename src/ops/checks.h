#pragma once
// Checks that the op files share. Internal to ops/.
#include "base/check.h"
#include "tensor/mat_ref.h"
#include "tensor/view.h"

namespace fathom::ops {

/// Kernels walk the last axis with unit stride.
template <typename T, int R>
bool last_axis_contiguous(const View<T, R>& view) {
  return view.stride(R - 1) == 1 || view.dim(R - 1) <= 1;
}

/// Throws Error{kUnsupported} for a weight of a type that no kernel reads, InternalError for one
/// without its scales.
void check_stored_type(const MatRef& w, const char* op);

/// Every choice is an expert, or dropped (-1).
void check_choices(View<const i32, 2> topk_indices, i64 experts);

}  // namespace fathom::ops
