#pragma once
#include "device/ctx.h"
#include "device/rope.h"
#include "tensor/view.h"

namespace fathom::ops {

using device::RopeAngles;
using device::RopePairing;
using device::RopeTable;

/// Rotates x in place: for each pair (a, b): (a cos - b sin, a sin + b cos).
/// Source: Su et al. 2021; DeepSeek-V3 §2.1.1.
///   x          [tokens, heads, dim]  f32   strided; last axis contiguous; dim = 2 * frequencies
///   positions  [tokens]              i64   absolute, >= 0
/// Throws InternalError on a shape mismatch. CPU.
void rope_forward_inplace(Ctx& ctx, const RopeTable& table, View<const i64, 1> positions,
                          View<float, 3> x);
/// The gradient of rope_forward_inplace: rotates dx in place by the negative angle; factors on
/// cosine and sine stay.
void rope_backward_inplace(Ctx& ctx, const RopeTable& table, View<const i64, 1> positions,
                           View<float, 3> dx);

/// Fills angles.cos and angles.sin, [positions, frequencies], and sets the pairing.
void rope_angles(Ctx& ctx, const RopeTable& table, View<const i64, 1> positions,
                 RopeAngles& angles);
/// The same rotations, bit for bit, by angles that rope_angles computed; x and dx [tokens, heads,
/// dim].
void rope_forward_inplace(Ctx& ctx, const RopeAngles& angles, View<float, 3> x);
void rope_backward_inplace(Ctx& ctx, const RopeAngles& angles, View<float, 3> dx);

/// Cosine and sine are rounded to f32, then two products and a sum.
inline constexpr double kRopeRelTol = 5e-7;

}  // namespace fathom::ops
