#pragma once
#include "device/ctx.h"
#include "tensor/view.h"

namespace fathom::ops {

/// out[r] = x[ids[r]].
///   x    [rows, cols]  f32   rows may be strided
///   ids  [n]           i32   in [0, rows)
///   out  [n, cols]     f32   overwritten; must not overlap x
/// Throws InternalError on a shape mismatch, or naming an id outside. CPU.
void gather_rows(Ctx& ctx, View<const float, 2> x, View<const i32, 1> ids, View<float, 2> out);

/// out = x, token ids or choices of experts; [rows, cols] i32, rows may be strided. `x` may lie in
/// the host's memory. Throws InternalError on a shape mismatch. CPU.
void copy_ids(Ctx& ctx, View<const i32, 2> x, View<i32, 2> out);

}  // namespace fathom::ops
