#include "ops/norm/rmsnorm.h"

#include "device/run.h"
#include "ops/checks.h"

namespace fathom::ops {

void rmsnorm_forward(Ctx& ctx, View<const float, 2> x, View<const float, 1> weight, float eps,
                     View<float, 2> y, View<float, 1> rstd) {
  FATHOM_CHECK(x.dims() == y.dims(), "x ", x, " vs y ", y);
  FATHOM_CHECK(weight.dim(0) == x.dim(1), "weight ", weight, " vs x ", x);
  FATHOM_CHECK(rstd.empty() || rstd.dim(0) == x.dim(0), "rstd ", rstd, " vs x ", x);
  FATHOM_CHECK(last_axis_contiguous(x) && last_axis_contiguous(y) && last_axis_contiguous(weight) &&
                   last_axis_contiguous(rstd),
               "the last axis must be contiguous: x ", x, ", y ", y);
  run(ctx, device::RmsNormForward{.x = x, .weight = weight, .eps = eps, .y = y, .rstd = rstd});
}

void rmsnorm_heads_inplace(Ctx& ctx, View<float, 3> x, View<const float, 1> weight, float eps) {
  const i64 tokens = x.dim(0), heads = x.dim(1), dim = x.dim(2);
  if (tokens == 1 || x.stride(0) == heads * x.stride(1)) {  // all heads lie evenly
    const View<float, 2> rows(x.data(), {tokens * heads, dim}, {x.stride(1), x.stride(2)});
    return rmsnorm_forward(ctx, rows, weight, eps, rows);
  }
  for (i64 head = 0; head < heads; ++head) {
    const View<float, 2> rows(x.data() + head * x.stride(1), {tokens, dim},
                              {x.stride(0), x.stride(2)});
    rmsnorm_forward(ctx, rows, weight, eps, rows);
  }
}

void rmsnorm_backward(Ctx& ctx, View<const float, 2> dy, View<const float, 2> x,
                      View<const float, 1> weight, View<const float, 1> rstd, View<float, 2> dx,
                      View<float, 1> dweight, bool accumulate_dx) {
  const i64 rows = x.dim(0), dim = x.dim(1);
  FATHOM_CHECK(dy.dims() == x.dims() && dx.dims() == x.dims(), "dy ", dy, " and dx ", dx, " vs x ",
               x);
  FATHOM_CHECK(weight.dim(0) == dim && dweight.dim(0) == dim && rstd.dim(0) == rows, "weight ",
               weight, ", dweight ", dweight, " and rstd ", rstd, " vs x ", x);
  FATHOM_CHECK(last_axis_contiguous(dy) && last_axis_contiguous(x) && last_axis_contiguous(dx) &&
                   last_axis_contiguous(weight) && last_axis_contiguous(rstd) &&
                   last_axis_contiguous(dweight),
               "the last axis must be contiguous: dy ", dy, ", x ", x, ", dx ", dx);
  FATHOM_CHECK(!accumulate_dx || dx.data() != dy.data(), "dx ", dx, " accumulated into dy itself");
  run(ctx, device::RmsNormBackward{.dy = dy,
                                   .x = x,
                                   .weight = weight,
                                   .rstd = rstd,
                                   .dx = dx,
                                   .dweight = dweight,
                                   .accumulate_dx = accumulate_dx});
}

}  // namespace fathom::ops
