#include <algorithm>

#include "backend/cpu/linear/linear_jobs.h"
#include "backend/cpu/linear/merged_heads.h"
#include "backend/cpu/table.h"
#include "backend/cpu/threads.h"
#include "backend/cpu/weight_type.h"
#include "base/checked_math.h"
#include "kernels/cpu/isa/isa_table.h"
#include "kernels/cpu/linear/linear_table.h"

namespace fathom::backend::cpu {
namespace {

using kernels::cpu::kTransposedColGrain;

/// x as a product with transposed weights sees it: rounded to BF16 unless w is f32 or it is asked
/// not to be.
View<const float, 2> rounded_rows(Ctx& ctx, Workspace::Scope& scope, View<const float, 2> x,
                                  const MatRef& w, device::Activations activations) {
  if (w.dtype == DType::kF32 || activations == device::Activations::kF32) return x;
  const auto rounded = scope.alloc<float>(x.dim(0), x.dim(1));
  round_rows(ctx, x, rounded.data(), x.dim(1), /*is_bf16=*/false);
  return rounded;
}

kernels::LinearTransposedArgs kernel_args(View<const float, 2> x, const MatRef& w,
                                          View<float, 2> y) {
  return {.x = x.data(),
          .x_stride = x.stride(0),
          .w = w.data,
          .w_type = weight_type(w),
          .w_scale = w.scale,
          .w_scale_stride = w.scale_stride,
          .w_row_offset = w.row_offset,
          .w_groups = group_scales(w),
          .y = y.data(),
          .y_stride = y.stride(0),
          .tokens = x.dim(0),
          .out = w.rows,
          .in = w.cols};
}

void linear_transposed_forward(Ctx& ctx, const device::LinearTransposedForward& op) {
  Workspace::Scope scope(ctx.workspace());
  const auto args = kernel_args(rounded_rows(ctx, scope, op.x, op.w, op.activations), op.w, op.y);
  const i64 col_products = args.tokens * args.out;
  const i64 grain = round_up(std::max<i64>(1, kThreadProducts / std::max<i64>(1, col_products)),
                             kTransposedColGrain);
  parallel_for(args.in, grain, [&](i64 begin, i64 end) {
    ctx.isa().linear->linear_transposed_cols(args, begin, end);
  });
}

/// A unit is kTransposedColGrain columns of one head.
void linear_transposed_heads_forward(Ctx& ctx, const device::LinearTransposedHeadsForward& op) {
  const i64 tokens = op.x.dim(0), heads = op.x.dim(1), rows = op.bands.count, cols = op.w.cols;
  Workspace::Scope scope(ctx.workspace());
  const auto x = rounded_rows(ctx, scope, merged_heads(op.x), op.w, op.activations);
  const i64 blocks = ceil_div(cols, kTransposedColGrain);
  const auto run_units = [&](i64 begin, i64 end) {
    for (i64 h = begin / blocks; h * blocks < end; ++h) {
      const auto args = kernel_args({x.row(h), {tokens, rows}, {heads * x.stride(0), 1}},
                                    op.bands.of(op.w, h), one_head(op.y, h));
      const i64 first = std::max<i64>(begin - h * blocks, 0);
      const i64 last = std::min(end - h * blocks, blocks);
      ctx.isa().linear->linear_transposed_cols(args, first * kTransposedColGrain,
                                               std::min(last * kTransposedColGrain, cols));
    }
  };
  const i64 unit_products = tokens * rows * kTransposedColGrain;
  parallel_for(heads * blocks, ceil_div(kThreadProducts, std::max<i64>(unit_products, 1)),
               run_units);
}

}  // namespace

void set_linear_transposed(device::OpTable& table) {
  table.set(linear_transposed_forward);
  table.set(linear_transposed_heads_forward);
}

}  // namespace fathom::backend::cpu
