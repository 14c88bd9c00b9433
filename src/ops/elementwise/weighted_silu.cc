#include "ops/elementwise/weighted_silu.h"

#include "device/run.h"
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
  check_rows("weighted_silu_mul_forward", gate, up, y);
  FATHOM_CHECK(weight.dim(0) == gate.dim(0) && last_axis_contiguous(weight), "weight ", weight,
               " vs gate ", gate);
  run(ctx, device::WeightedSiluMulForward{.gate = gate, .up = up, .weight = weight, .y = y});
}

void weighted_silu_mul_backward(Ctx& ctx, View<const float, 2> dy, View<const float, 2> gate,
                                View<const float, 2> up, View<const float, 1> weight,
                                View<float, 2> dgate, View<float, 2> dup, View<float, 1> dweight,
                                View<float, 2> y) {
  check_rows("weighted_silu_mul_backward", gate, up, dy, dgate, dup);
  if (!y.empty()) check_rows("weighted_silu_mul_backward", gate, y);
  FATHOM_CHECK(weight.dim(0) == gate.dim(0) && dweight.dim(0) == gate.dim(0) &&
                   last_axis_contiguous(weight) && last_axis_contiguous(dweight),
               "weight ", weight, " and dweight ", dweight, " vs gate ", gate);
  run(ctx, device::WeightedSiluMulBackward{.dy = dy,
                                           .gate = gate,
                                           .up = up,
                                           .weight = weight,
                                           .dgate = dgate,
                                           .dup = dup,
                                           .dweight = dweight,
                                           .y = y});
}

}  // namespace fathom::ops
