#pragma once
// Checks that the op files share. Internal to ops/.
#include "kernels/api/linear.h"
#include "kernels/cuda/cuda.h"
#include "ops/ctx.h"
#include "tensor/mat_ref.h"
#include "tensor/view.h"

namespace fathom::ops {

/// Ops without a device kernel refuse by name.
inline void require_cpu(const Ctx& ctx, const char* op) {
  if (ctx.device() != Device::kCpu) kernels::cuda::refuse(op);
}

/// Kernels walk the last axis with unit stride.
template <typename T, int R>
bool last_axis_contiguous(const View<T, R>& view) {
  return view.stride(R - 1) == 1 || view.dim(R - 1) <= 1;
}

/// The kernels' name of a weight's stored type. Throws Error{kUnsupported} for a type without
/// kernels, InternalError for FP8 without scales.
kernels::WeightType weight_type(const MatRef& w, const char* op);
/// Empty unless w is packed integers.
kernels::GroupScales group_scales(const MatRef& w);

}  // namespace fathom::ops
