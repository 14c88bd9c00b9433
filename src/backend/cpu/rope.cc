#include <cmath>

#include "backend/cpu/table.h"
#include "backend/cpu/threads.h"
#include "kernels/cpu/elementwise/elementwise_table.h"
#include "kernels/cpu/isa/isa_table.h"

namespace fathom::backend::cpu {
namespace {

using device::RopeAngles;

/// Simple operations of the angles of one token: two sines in double a pair.
i64 angles_work(i64 pairs) { return 50 * pairs; }

/// Cosines and sines of tokens [begin, end).
void fill_angles(const device::RopeTable& table, View<const i64, 1> positions,
                 const RopeAngles& angles, i64 begin, i64 end) {
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

kernels::RopeForwardArgs kernel_args(const RopeAngles& angles, View<float, 3> x,
                                     device::RopeDirection direction) {
  return {.x = x.data(),
          .token_stride = x.stride(0),
          .head_stride = x.stride(1),
          .cos = angles.cos.data(),
          .sin = angles.sin.data(),
          .heads = x.dim(1),
          .pairs = angles.cos.dim(1),
          .halves = angles.pairing == device::RopePairing::kHalves,
          .inverse = direction == device::RopeDirection::kBackward};
}

void rope_angles(Ctx&, const device::ComputeRopeAngles& op) {
  for_rows(op.positions.dim(0), angles_work(op.angles.cos.dim(1)),
           [&](i64 begin, i64 end) { fill_angles(op.table, op.positions, op.angles, begin, end); });
}

void rope_inplace(Ctx& ctx, const device::RopeInplace& op) {
  const i64 tokens = op.x.dim(0), pairs = static_cast<i64>(op.table.frequency.size());
  Workspace::Scope scope(ctx.workspace());
  const RopeAngles angles{scope.alloc<float>(tokens, pairs), scope.alloc<float>(tokens, pairs),
                          op.table.pairing};
  const kernels::RopeForwardArgs args = kernel_args(angles, op.x, op.direction);
  for_rows(tokens, pairs * op.x.dim(1) + angles_work(pairs), [&](i64 begin, i64 end) {
    fill_angles(op.table, op.positions, angles, begin, end);
    ctx.isa().elementwise->rope_forward_rows(args, begin, end);
  });
}

void rope_by_angles_inplace(Ctx& ctx, const device::RopeByAnglesInplace& op) {
  const kernels::RopeForwardArgs args = kernel_args(op.angles, op.x, op.direction);
  for_rows(op.x.dim(0), op.x.dim(1) * op.x.dim(2),
           [&](i64 begin, i64 end) { ctx.isa().elementwise->rope_forward_rows(args, begin, end); });
}

}  // namespace

void set_rope(device::OpTable& table) {
  table.set(rope_angles);
  table.set(rope_inplace);
  table.set(rope_by_angles_inplace);
}

}  // namespace fathom::backend::cpu
