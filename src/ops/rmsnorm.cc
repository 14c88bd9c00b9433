#include "ops/rmsnorm.h"

#include "kernels/cpu/isa_table.h"
#include "kernels/cuda/cuda.h"
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
  const kernels::RmsNormForwardArgs args{.x = x.data(),
                                         .x_stride = x.stride(0),
                                         .weight = weight.data(),
                                         .y = y.data(),
                                         .y_stride = y.stride(0),
                                         .rstd = rstd.data(),
                                         .rows = x.dim(0),
                                         .dim = x.dim(1),
                                         .eps = eps};
  switch (ctx.device()) {
    case Device::kCpu:
      return ctx.for_rows(args.rows, args.dim, [&](i64 begin, i64 end) {
        ctx.isa().rmsnorm_forward_rows(args, begin, end);
      });
    case Device::kCuda:
      return kernels::cuda::rmsnorm_forward(args, ctx.stream());
  }
}

}  // namespace fathom::ops
