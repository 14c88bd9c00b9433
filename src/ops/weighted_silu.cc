#include "ops/weighted_silu.h"

#include "kernels/cpu/elementwise/elementwise_table.h"
#include "kernels/cpu/isa/isa_table.h"
#include "ops/checks.h"

namespace fathom::ops {
namespace {

template <typename... Views>
void check_rows(const char* op, View<const float, 2> gate, const Views&... views) {
  FATHOM_CHECK(last_axis_contiguous(gate), op, ": rows of gate ", gate, " must be contiguous");
  const auto check = [&](View<const float, 2> view) {
    FATHOM_CHECK(view.dims() == gate.dims(), op, ": ", view, " vs gate ", gate);
    FATHOM_CHECK(last_axis_contiguous(view), op, ": rows of ", view, " must be contiguous");
  };
  (check(views), ...);
}

}  // namespace

void weighted_silu_mul_forward(Ctx& ctx, View<const float, 2> gate, View<const float, 2> up,
                               View<const float, 1> weight, View<float, 2> y) {
  require_cpu(ctx, "weighted_silu_mul_forward");
  check_rows("weighted_silu_mul_forward", gate, up, y);
  FATHOM_CHECK(weight.dim(0) == gate.dim(0) && last_axis_contiguous(weight), "weight ", weight,
               " vs gate ", gate);
  const kernels::WeightedSiluMulArgs args{.gate = gate.data(),
                                          .gate_stride = gate.stride(0),
                                          .up = up.data(),
                                          .up_stride = up.stride(0),
                                          .weight = weight.data(),
                                          .y = y.data(),
                                          .y_stride = y.stride(0),
                                          .dim = y.dim(1)};
  ctx.for_rows(y.dim(0), 4 * args.dim, [&](i64 begin, i64 end) {
    ctx.isa().elementwise->weighted_silu_mul_rows(args, begin, end);
  });
}

void weighted_silu_mul_backward(Ctx& ctx, View<const float, 2> dy, View<const float, 2> gate,
                                View<const float, 2> up, View<const float, 1> weight,
                                View<float, 2> dgate, View<float, 2> dup, View<float, 1> dweight,
                                View<float, 2> y) {
  require_cpu(ctx, "weighted_silu_mul_backward");
  check_rows("weighted_silu_mul_backward", gate, up, dy, dgate, dup);
  if (!y.empty()) check_rows("weighted_silu_mul_backward", gate, y);
  FATHOM_CHECK(weight.dim(0) == gate.dim(0) && dweight.dim(0) == gate.dim(0) &&
                   last_axis_contiguous(weight) && last_axis_contiguous(dweight),
               "weight ", weight, " and dweight ", dweight, " vs gate ", gate);
  const kernels::WeightedSiluMulBackwardArgs args{.dy = dy.data(),
                                                  .dy_stride = dy.stride(0),
                                                  .gate = gate.data(),
                                                  .gate_stride = gate.stride(0),
                                                  .up = up.data(),
                                                  .up_stride = up.stride(0),
                                                  .weight = weight.data(),
                                                  .dgate = dgate.data(),
                                                  .dgate_stride = dgate.stride(0),
                                                  .dup = dup.data(),
                                                  .dup_stride = dup.stride(0),
                                                  .dweight = dweight.data(),
                                                  .y = y.data(),
                                                  .y_stride = y.stride(0),
                                                  .dim = dy.dim(1)};
  ctx.for_rows(dy.dim(0), 8 * args.dim, [&](i64 begin, i64 end) {
    ctx.isa().elementwise->weighted_silu_mul_backward_rows(args, begin, end);
  });
}

}  // namespace fathom::ops
