#include "ops/elementwise/rope.h"

#include "device/run.h"
#include "ops/checks.h"

namespace fathom::ops {
namespace {

using device::RopeDirection;

void rope_inplace(Ctx& ctx, const RopeTable& table, View<const i64, 1> positions, View<float, 3> x,
                  RopeDirection direction) {
  const i64 pairs = std::ssize(table.frequency);
  FATHOM_CHECK(positions.dim(0) == x.dim(0), "positions ", positions, " vs x ", x);
  FATHOM_CHECK(x.dim(2) == 2 * pairs, "x ", x, " vs ", pairs, " frequencies");
  FATHOM_CHECK(last_axis_contiguous(x) && last_axis_contiguous(positions), "last axis of x ", x,
               " must be contiguous");
  run(ctx,
      device::RopeInplace{.table = table, .positions = positions, .x = x, .direction = direction});
}

void rope_inplace(Ctx& ctx, const RopeAngles& angles, View<float, 3> x, RopeDirection direction) {
  FATHOM_CHECK(angles.cos.dims() == angles.sin.dims() && angles.cos.dim(0) == x.dim(0) &&
                   x.dim(2) == 2 * angles.cos.dim(1),
               "angles ", angles.cos, " and ", angles.sin, " vs x ", x);
  FATHOM_CHECK(last_axis_contiguous(x) && angles.cos.contiguous() && angles.sin.contiguous(),
               "last axis of x ", x, " and the angles must be contiguous");
  run(ctx, device::RopeByAnglesInplace{.angles = angles, .x = x, .direction = direction});
}

}  // namespace

void rope_forward_inplace(Ctx& ctx, const RopeTable& table, View<const i64, 1> positions,
                          View<float, 3> x) {
  rope_inplace(ctx, table, positions, x, RopeDirection::kForward);
}

void rope_backward_inplace(Ctx& ctx, const RopeTable& table, View<const i64, 1> positions,
                           View<float, 3> dx) {
  rope_inplace(ctx, table, positions, dx, RopeDirection::kBackward);
}

void rope_angles(Ctx& ctx, const RopeTable& table, View<const i64, 1> positions,
                 RopeAngles& angles) {
  const i64 tokens = positions.dim(0), pairs = std::ssize(table.frequency);
  FATHOM_CHECK(angles.cos.dims() == angles.sin.dims() && angles.cos.dim(0) == tokens &&
                   angles.cos.dim(1) == pairs,
               "angles ", angles.cos, " and ", angles.sin, " vs positions ", positions, " and ",
               pairs, " frequencies");
  angles.pairing = table.pairing;
  run(ctx, device::ComputeRopeAngles{.table = table, .positions = positions, .angles = angles});
}

void rope_forward_inplace(Ctx& ctx, const RopeAngles& angles, View<float, 3> x) {
  rope_inplace(ctx, angles, x, RopeDirection::kForward);
}

void rope_backward_inplace(Ctx& ctx, const RopeAngles& angles, View<float, 3> dx) {
  rope_inplace(ctx, angles, dx, RopeDirection::kBackward);
}

}  // namespace fathom::ops
