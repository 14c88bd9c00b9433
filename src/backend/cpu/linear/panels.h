#pragma once
// Panels: the input of prefill products, with tokens in the vector lanes (kernels/api/
// token_panels.h).
#include "device/ctx.h"
#include "device/linear.h"
#include "kernels/api/token_panels.h"

namespace fathom::backend::cpu {

/// E4M3 values with a scale a tile for FP8 weights; false: nothing but the BF16 rounding.
bool quantises_tiles(const MatRef& w, const device::LinearMode& mode);

/// Are there panels for such weights, and are they wanted?
bool wants_panels(const Ctx& ctx, const MatRef& w, const device::LinearMode& mode);

/// Room for panels of `in` columns beside weights like `w`, and their scales.
kernels::PackPanelsArgs alloc_panels(Ctx& ctx, Workspace::Scope& scope, i64 panels, i64 in,
                                     const MatRef& w, const device::LinearMode& mode);

/// Packs the groups of rows that prepare_groups() describes, each from a panel of its own on.
kernels::PackPanelsArgs pack_panels(Ctx& ctx, Workspace::Scope& scope, View<const float, 2> x,
                                    View<const i32, 1> ids, View<const i32, 1> begin,
                                    const MatRef& w, const device::LinearMode& mode);

}  // namespace fathom::backend::cpu
