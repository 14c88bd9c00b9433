#include <algorithm>

#include "backend/cpu/table.h"
#include "backend/cpu/threads.h"
#include "base/checked_math.h"
#include "kernels/cpu/isa/isa_table.h"
#include "kernels/cpu/norm/norm_table.h"

namespace fathom::backend::cpu {
namespace {

void rmsnorm_forward(Ctx& ctx, const device::RmsNormForward& op) {
  const kernels::RmsNormForwardArgs args{.x = op.x.data(),
                                         .x_stride = op.x.stride(0),
                                         .weight = op.weight.data(),
                                         .y = op.y.data(),
                                         .y_stride = op.y.stride(0),
                                         .rstd = op.rstd.data(),
                                         .rows = op.x.dim(0),
                                         .dim = op.x.dim(1),
                                         .eps = op.eps};
  for_rows(args.rows, args.dim,
           [&](i64 begin, i64 end) { ctx.isa().norm->rmsnorm_forward_rows(args, begin, end); });
}

/// out[i] += sum_r x[r, i].
void add_row_sums(Ctx& ctx, View<const float, 2> x, View<float, 1> out) {
  const kernels::AddRowSumsArgs args{
      .x = x.data(), .out = out.data(), .rows = x.dim(0), .dim = x.dim(1)};
  // Whole cache lines a thread.
  parallel_for(args.dim, std::max<i64>(64, kThreadWork / std::max<i64>(1, args.rows)),
               [&](i64 begin, i64 end) { ctx.isa().norm->add_row_sums_cols(args, begin, end); });
}

/// dweight is summed over blocks of rows of a fixed size and then over the blocks, whatever the
/// number of threads.
void rmsnorm_backward(Ctx& ctx, const device::RmsNormBackward& op) {
  const i64 rows = op.x.dim(0), dim = op.x.dim(1);
  const i64 blocks = ceil_div(rows, kernels::kGradientBlockRows);
  Workspace::Scope scope(ctx.workspace());
  const auto partial = scope.alloc<float>(blocks, dim);
  const kernels::RmsNormBackwardArgs args{.dy = op.dy.data(),
                                          .dy_stride = op.dy.stride(0),
                                          .x = op.x.data(),
                                          .x_stride = op.x.stride(0),
                                          .weight = op.weight.data(),
                                          .rstd = op.rstd.data(),
                                          .dx = op.dx.data(),
                                          .dx_stride = op.dx.stride(0),
                                          .partial = partial.data(),
                                          .rows = rows,
                                          .dim = dim,
                                          .accumulate_dx = op.accumulate_dx};
  const kernels::cpu::NormTable& kernel = *ctx.isa().norm;
  for_rows(blocks, kernels::kGradientBlockRows * dim,
           [&](i64 begin, i64 end) { kernel.rmsnorm_backward_blocks(args, begin, end); });
  add_row_sums(ctx, partial, op.dweight);
}

void add_bias_backward(Ctx& ctx, const device::AddBiasBackward& op) {
  add_row_sums(ctx, op.dx, op.dbias);
}

}  // namespace

void set_norm(device::OpTable& table) {
  table.set(rmsnorm_forward);
  table.set(rmsnorm_backward);
  table.set(add_bias_backward);
}

}  // namespace fathom::backend::cpu
