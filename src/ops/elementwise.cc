#include "ops/elementwise.h"

#include <algorithm>
#include <cmath>

#include "base/checked_math.h"
#include "kernels/cpu/elementwise/elementwise_table.h"
#include "kernels/cpu/isa/isa_table.h"
#include "kernels/cpu/loss/loss_table.h"
#include "kernels/cpu/quantize/quantize_table.h"
#include "ops/checks.h"

namespace fathom::ops {

void silu_mul_forward(Ctx& ctx, View<const float, 2> gate, View<const float, 2> up,
                      View<float, 2> y) {
  require_cpu(ctx, "silu_mul_forward");
  FATHOM_CHECK(gate.dims() == up.dims() && gate.dims() == y.dims(), "gate ", gate, " vs up ", up,
               " vs y ", y);
  FATHOM_CHECK(last_axis_contiguous(gate) && last_axis_contiguous(up) && last_axis_contiguous(y),
               "rows of gate ", gate, ", up and y must be contiguous");
  const kernels::SiluMulArgs args{.gate = gate.data(),
                                  .gate_stride = gate.stride(0),
                                  .up = up.data(),
                                  .up_stride = up.stride(0),
                                  .y = y.data(),
                                  .y_stride = y.stride(0),
                                  .dim = y.dim(1)};
  ctx.for_rows(y.dim(0), 4 * args.dim,
               [&](i64 begin, i64 end) { ctx.isa().elementwise->silu_mul_rows(args, begin, end); });
}

void silu_mul_backward(Ctx& ctx, View<const float, 2> dy, View<const float, 2> gate,
                       View<const float, 2> up, View<float, 2> dgate, View<float, 2> dup,
                       View<float, 2> y) {
  require_cpu(ctx, "silu_mul_backward");
  FATHOM_CHECK(dy.dims() == gate.dims() && up.dims() == gate.dims(), "dy ", dy, " and up ", up,
               " vs gate ", gate);
  FATHOM_CHECK(dgate.dims() == gate.dims() && dup.dims() == gate.dims() &&
                   (y.empty() || y.dims() == gate.dims()),
               "dgate ", dgate, ", dup ", dup, " and y ", y, " vs gate ", gate);
  FATHOM_CHECK(last_axis_contiguous(dy) && last_axis_contiguous(gate) && last_axis_contiguous(up) &&
                   last_axis_contiguous(dgate) && last_axis_contiguous(dup) &&
                   last_axis_contiguous(y),
               "rows of dy ", dy, ", gate, up and the results must be contiguous");
  const kernels::SiluMulBackwardArgs args{.dy = dy.data(),
                                          .dy_stride = dy.stride(0),
                                          .gate = gate.data(),
                                          .gate_stride = gate.stride(0),
                                          .up = up.data(),
                                          .up_stride = up.stride(0),
                                          .dgate = dgate.data(),
                                          .dgate_stride = dgate.stride(0),
                                          .dup = dup.data(),
                                          .dup_stride = dup.stride(0),
                                          .y = y.data(),
                                          .y_stride = y.stride(0),
                                          .dim = gate.dim(1)};
  ctx.for_rows(gate.dim(0), 4 * args.dim, [&](i64 begin, i64 end) {
    ctx.isa().elementwise->silu_mul_backward_rows(args, begin, end);
  });
}

void add_inplace(Ctx& ctx, View<float, 2> x, View<const float, 2> y) {
  require_cpu(ctx, "add_inplace");
  FATHOM_CHECK(x.dims() == y.dims(), "x ", x, " vs y ", y);
  FATHOM_CHECK(last_axis_contiguous(x) && last_axis_contiguous(y), "rows of x ", x,
               " and y must be contiguous");
  const kernels::AddArgs args{.x = x.data(),
                              .x_stride = x.stride(0),
                              .y = y.data(),
                              .y_stride = y.stride(0),
                              .dim = x.dim(1)};
  ctx.for_rows(x.dim(0), args.dim,
               [&](i64 begin, i64 end) { ctx.isa().elementwise->add_rows(args, begin, end); });
}

void embedding_forward(Ctx& ctx, const MatRef& table, View<const i32, 1> ids, View<float, 2> out) {
  require_cpu(ctx, "embedding_forward");
  FATHOM_CHECK(out.dim(0) == ids.dim(0) && out.dim(1) == table.cols, "out ", out, " vs ids ", ids,
               " and table ", table);
  FATHOM_CHECK(last_axis_contiguous(out) && last_axis_contiguous(ids), "rows of out ", out,
               " and ids must be contiguous");
  for (i64 i = 0; i < ids.dim(0); ++i) {
    FATHOM_CHECK(ids(i) >= 0 && ids(i) < table.rows, "id ", ids(i), " at ", i, " of table ", table);
  }
  const kernels::DecodeRowsArgs args{.w = table.data,
                                     .w_type = weight_type(table, "embedding_forward"),
                                     .w_scale = table.scale,
                                     .w_scale_stride = table.scale_stride,
                                     .w_row_offset = table.row_offset,
                                     .w_groups = group_scales(table),
                                     .ids = ids.data(),
                                     .out = out.data(),
                                     .out_stride = out.stride(0),
                                     .cols = table.cols};
  ctx.for_rows(out.dim(0), table.cols,
               [&](i64 begin, i64 end) { ctx.isa().quantize->decode_rows(args, begin, end); });
}

void embedding_backward(Ctx& ctx, View<const float, 2> dout, View<const i32, 1> ids,
                        View<float, 2> dtable) {
  require_cpu(ctx, "embedding_backward");
  FATHOM_CHECK(dout.dim(0) == ids.dim(0) && dout.dim(1) == dtable.dim(1), "dout ", dout, " vs ids ",
               ids, " and dtable ", dtable);
  FATHOM_CHECK(
      last_axis_contiguous(dout) && last_axis_contiguous(ids) && last_axis_contiguous(dtable),
      "rows of dout ", dout, ", ids and dtable must be contiguous");
  for (i64 i = 0; i < ids.dim(0); ++i) {
    FATHOM_CHECK(ids(i) >= -1 && ids(i) < dtable.dim(0), "id ", ids(i), " at ", i, " of dtable ",
                 dtable);
  }
  const kernels::ScatterAddArgs args{.x = dout.data(),
                                     .x_stride = dout.stride(0),
                                     .ids = ids.data(),
                                     .table = dtable.data(),
                                     .table_stride = dtable.stride(0),
                                     .tokens = ids.dim(0)};
  // Threads share out columns, whole cache lines each, so that the order of tokens stays.
  constexpr i64 kCols = 64;
  ctx.for_rows(ceil_div(dout.dim(1), kCols), kCols * args.tokens, [&](i64 begin, i64 end) {
    ctx.isa().elementwise->scatter_add_cols(args, begin * kCols,
                                            std::min(end * kCols, dout.dim(1)));
  });
}

void token_log_probs(Ctx& ctx, View<const float, 2> logits, View<const i32, 1> targets,
                     View<double, 1> out) {
  require_cpu(ctx, "token_log_probs");
  const i64 rows = logits.dim(0), vocab = logits.dim(1);
  FATHOM_CHECK(targets.dim(0) == rows && out.dim(0) == rows, "targets ", targets, " and out ", out,
               " vs logits ", logits);
  FATHOM_CHECK(last_axis_contiguous(logits), "rows of logits ", logits, " must be contiguous");
  for (i64 t = 0; t < rows; ++t) {
    FATHOM_CHECK(targets(t) >= 0 && targets(t) < vocab, "target ", targets(t), " at ", t,
                 " of logits ", logits);
  }
  Workspace::Scope scope(ctx.workspace());
  const auto max_and_sum = scope.alloc<double>(rows, 2);
  const kernels::TokenLogProbsArgs args{.logits = logits.data(),
                                        .logits_stride = logits.stride(0),
                                        .max_and_sum = max_and_sum.data(),
                                        .vocab = vocab};
  ctx.for_rows(rows, 4 * vocab,
               [&](i64 begin, i64 end) { ctx.isa().loss->token_log_probs_rows(args, begin, end); });
  for (i64 t = 0; t < rows; ++t) {
    out(t) = static_cast<double>(logits(t, targets(t))) - max_and_sum(t, 0) -
             std::log(max_and_sum(t, 1));
  }
}

}  // namespace fathom::ops
