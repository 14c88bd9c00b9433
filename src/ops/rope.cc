#include "ops/rope.h"

#include <cmath>

#include "kernels/cpu/isa_table.h"
#include "ops/checks.h"

namespace fathom::ops {

void rope_forward_inplace(Ctx& ctx, const RopeTable& table, View<const i64, 1> positions,
                          View<float, 3> x) {
  require_cpu(ctx, "rope_forward_inplace");
  const i64 tokens = x.dim(0), pairs = static_cast<i64>(table.frequency.size());
  FATHOM_CHECK(positions.dim(0) == tokens, "positions ", positions, " vs x ", x);
  FATHOM_CHECK(x.dim(2) == 2 * pairs, "x ", x, " vs ", pairs, " frequencies");
  FATHOM_CHECK(last_axis_contiguous(x) && last_axis_contiguous(positions), "last axis of x ", x,
               " must be contiguous");
  Workspace::Scope scope(ctx.workspace());
  const auto cos = scope.alloc<float>(tokens, pairs), sin = scope.alloc<float>(tokens, pairs);
  const kernels::RopeForwardArgs args{.x = x.data(),
                                      .token_stride = x.stride(0),
                                      .head_stride = x.stride(1),
                                      .cos = cos.data(),
                                      .sin = sin.data(),
                                      .heads = x.dim(1),
                                      .pairs = pairs,
                                      .halves = table.pairing == RopePairing::kHalves};
  const double factor = static_cast<double>(table.cos_sin_factor);
  ctx.for_rows(
      tokens, pairs * (x.dim(1) + 50), [&](i64 begin, i64 end) {  // 50: two sines in double
        for (i64 t = begin; t < end; ++t) {
          for (i64 i = 0; i < pairs; ++i) {
            const double angle =
                static_cast<double>(positions(t)) * table.frequency[static_cast<size_t>(i)];
            cos(t, i) = static_cast<float>(factor * std::cos(angle));
            sin(t, i) = static_cast<float>(factor * std::sin(angle));
          }
        }
        ctx.isa().rope_forward_rows(args, begin, end);
      });
}

}  // namespace fathom::ops
