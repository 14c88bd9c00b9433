#include "ops/rmsnorm.h"

#include <algorithm>

#include "base/checked_math.h"
#include "kernels/cpu/isa/isa_table.h"
#include "kernels/cpu/norm/norm_table.h"
#include "kernels/cuda/cuda.h"
#include "ops/checks.h"

namespace fathom::ops {
namespace {

/// out[i] += sum_r x[r, i].
void add_row_sums(Ctx& ctx, View<const float, 2> x, View<float, 1> out) {
  const kernels::AddRowSumsArgs args{
      .x = x.data(), .out = out.data(), .rows = x.dim(0), .dim = x.dim(1)};
  // Whole cache lines a thread.
  parallel_for(args.dim, std::max<i64>(64, 8192 / std::max<i64>(1, args.rows)),
               [&](i64 begin, i64 end) { ctx.isa().norm->add_row_sums_cols(args, begin, end); });
}

}  // namespace

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
        ctx.isa().norm->rmsnorm_forward_rows(args, begin, end);
      });
    case Device::kCuda:
      return kernels::cuda::rmsnorm_forward(args, ctx.stream());
  }
}

void rmsnorm_backward(Ctx& ctx, View<const float, 2> dy, View<const float, 2> x,
                      View<const float, 1> weight, View<const float, 1> rstd, View<float, 2> dx,
                      View<float, 1> dweight, bool accumulate_dx) {
  require_cpu(ctx, "rmsnorm_backward");
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
  const i64 blocks = ceil_div(rows, kernels::kGradientBlockRows);
  Workspace::Scope scope(ctx.workspace());
  const auto partial = scope.alloc<float>(blocks, dim);
  const kernels::RmsNormBackwardArgs args{.dy = dy.data(),
                                          .dy_stride = dy.stride(0),
                                          .x = x.data(),
                                          .x_stride = x.stride(0),
                                          .weight = weight.data(),
                                          .rstd = rstd.data(),
                                          .dx = dx.data(),
                                          .dx_stride = dx.stride(0),
                                          .partial = partial.data(),
                                          .rows = rows,
                                          .dim = dim,
                                          .accumulate_dx = accumulate_dx};
  const kernels::cpu::NormTable& table = *ctx.isa().norm;
  ctx.for_rows(blocks, kernels::kGradientBlockRows * dim,
               [&](i64 begin, i64 end) { table.rmsnorm_backward_blocks(args, begin, end); });
  add_row_sums(ctx, partial, dweight);
}

}  // namespace fathom::ops
