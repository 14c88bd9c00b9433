#include "ops/rope.h"

#include <cmath>

#include "kernels/cpu/elementwise/elementwise_table.h"
#include "kernels/cpu/isa/isa_table.h"
#include "ops/checks.h"

namespace fathom::ops {
namespace {

enum class Turn { kForward, kBackward };

/// Cosines and sines of tokens [begin, end).
void fill_angles(const RopeTable& table, View<const i64, 1> positions, const RopeAngles& angles,
                 i64 begin, i64 end) {
  const double factor = static_cast<double>(table.cos_sin_factor);
  for (i64 t = begin; t < end; ++t) {
    for (i64 i = 0; i < angles.cos.dim(1); ++i) {
      const double angle =
          static_cast<double>(positions(t)) * table.frequency[static_cast<size_t>(i)];
      angles.cos(t, i) = static_cast<float>(factor * std::cos(angle));
      angles.sin(t, i) = static_cast<float>(factor * std::sin(angle));
    }
  }
}

kernels::RopeForwardArgs turn_args(const RopeAngles& angles, View<float, 3> x, Turn turn) {
  return {.x = x.data(),
          .token_stride = x.stride(0),
          .head_stride = x.stride(1),
          .cos = angles.cos.data(),
          .sin = angles.sin.data(),
          .heads = x.dim(1),
          .pairs = angles.cos.dim(1),
          .halves = angles.pairing == RopePairing::kHalves,
          .inverse = turn == Turn::kBackward};
}

i64 work_of_angles(i64 pairs) { return 50 * pairs; }  // two sines in double

void rope_inplace(Ctx& ctx, const RopeTable& table, View<const i64, 1> positions, View<float, 3> x,
                  Turn turn) {
  const i64 tokens = x.dim(0), pairs = static_cast<i64>(table.frequency.size());
  FATHOM_CHECK(positions.dim(0) == tokens, "positions ", positions, " vs x ", x);
  FATHOM_CHECK(x.dim(2) == 2 * pairs, "x ", x, " vs ", pairs, " frequencies");
  FATHOM_CHECK(last_axis_contiguous(x) && last_axis_contiguous(positions), "last axis of x ", x,
               " must be contiguous");
  Workspace::Scope scope(ctx.workspace());
  const RopeAngles angles{scope.alloc<float>(tokens, pairs), scope.alloc<float>(tokens, pairs),
                          table.pairing};
  const kernels::RopeForwardArgs args = turn_args(angles, x, turn);
  ctx.for_rows(tokens, pairs * x.dim(1) + work_of_angles(pairs), [&](i64 begin, i64 end) {
    fill_angles(table, positions, angles, begin, end);
    ctx.isa().elementwise->rope_forward_rows(args, begin, end);
  });
}

void rope_inplace(Ctx& ctx, const RopeAngles& angles, View<float, 3> x, Turn turn) {
  FATHOM_CHECK(angles.cos.dims() == angles.sin.dims() && angles.cos.dim(0) == x.dim(0) &&
                   x.dim(2) == 2 * angles.cos.dim(1),
               "angles ", angles.cos, " and ", angles.sin, " vs x ", x);
  FATHOM_CHECK(last_axis_contiguous(x) && angles.cos.contiguous() && angles.sin.contiguous(),
               "last axis of x ", x, " and the angles must be contiguous");
  const kernels::RopeForwardArgs args = turn_args(angles, x, turn);
  ctx.for_rows(x.dim(0), x.dim(1) * x.dim(2), [&](i64 begin, i64 end) {
    ctx.isa().elementwise->rope_forward_rows(args, begin, end);
  });
}

}  // namespace

void rope_forward_inplace(Ctx& ctx, const RopeTable& table, View<const i64, 1> positions,
                          View<float, 3> x) {
  require_cpu(ctx, "rope_forward_inplace");
  rope_inplace(ctx, table, positions, x, Turn::kForward);
}

void rope_backward_inplace(Ctx& ctx, const RopeTable& table, View<const i64, 1> positions,
                           View<float, 3> dx) {
  require_cpu(ctx, "rope_backward_inplace");
  rope_inplace(ctx, table, positions, dx, Turn::kBackward);
}

void rope_angles(Ctx& ctx, const RopeTable& table, View<const i64, 1> positions,
                 RopeAngles& angles) {
  require_cpu(ctx, "rope_angles");
  const i64 tokens = positions.dim(0), pairs = static_cast<i64>(table.frequency.size());
  FATHOM_CHECK(angles.cos.dims() == angles.sin.dims() && angles.cos.dim(0) == tokens &&
                   angles.cos.dim(1) == pairs,
               "angles ", angles.cos, " and ", angles.sin, " vs positions ", positions, " and ",
               pairs, " frequencies");
  angles.pairing = table.pairing;
  ctx.for_rows(tokens, work_of_angles(pairs),
               [&](i64 begin, i64 end) { fill_angles(table, positions, angles, begin, end); });
}

void rope_forward_inplace(Ctx& ctx, const RopeAngles& angles, View<float, 3> x) {
  require_cpu(ctx, "rope_forward_inplace");
  rope_inplace(ctx, angles, x, Turn::kForward);
}

void rope_backward_inplace(Ctx& ctx, const RopeAngles& angles, View<float, 3> dx) {
  require_cpu(ctx, "rope_backward_inplace");
  rope_inplace(ctx, angles, dx, Turn::kBackward);
}

}  // namespace fathom::ops
