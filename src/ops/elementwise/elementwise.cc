#include "ops/elementwise/elementwise.h"

#include "device/run.h"
#include "ops/checks.h"

namespace fathom::ops {

void silu_mul_forward(Ctx& ctx, View<const float, 2> gate, View<const float, 2> up,
                      View<float, 2> y) {
  FATHOM_CHECK(gate.dims() == up.dims() && gate.dims() == y.dims(), "gate ", gate, " vs up ", up,
               " vs y ", y);
  FATHOM_CHECK(last_axis_contiguous(gate) && last_axis_contiguous(up) && last_axis_contiguous(y),
               "rows of gate ", gate, ", up and y must be contiguous");
  run(ctx, device::SiluMulForward{.gate = gate, .up = up, .y = y});
}

void silu_mul_backward(Ctx& ctx, View<const float, 2> dy, View<const float, 2> gate,
                       View<const float, 2> up, View<float, 2> dgate, View<float, 2> dup,
                       View<float, 2> y) {
  FATHOM_CHECK(dy.dims() == gate.dims() && up.dims() == gate.dims(), "dy ", dy, " and up ", up,
               " vs gate ", gate);
  FATHOM_CHECK(dgate.dims() == gate.dims() && dup.dims() == gate.dims() &&
                   (y.empty() || y.dims() == gate.dims()),
               "dgate ", dgate, ", dup ", dup, " and y ", y, " vs gate ", gate);
  FATHOM_CHECK(last_axis_contiguous(dy) && last_axis_contiguous(gate) && last_axis_contiguous(up) &&
                   last_axis_contiguous(dgate) && last_axis_contiguous(dup) &&
                   last_axis_contiguous(y),
               "rows of dy ", dy, ", gate, up and the results must be contiguous");
  run(ctx, device::SiluMulBackward{
               .dy = dy, .gate = gate, .up = up, .dgate = dgate, .dup = dup, .y = y});
}

void add_inplace(Ctx& ctx, View<float, 2> x, View<const float, 2> y) {
  FATHOM_CHECK(x.dims() == y.dims(), "x ", x, " vs y ", y);
  FATHOM_CHECK(last_axis_contiguous(x) && last_axis_contiguous(y), "rows of x ", x,
               " and y must be contiguous");
  run(ctx, device::AddInplace{.x = x, .y = y});
}

void scale_rows_inplace(Ctx& ctx, View<float, 2> x, View<const float, 1> scales) {
  FATHOM_CHECK(scales.dim(0) == x.dim(0), "scales ", scales, " vs x ", x);
  FATHOM_CHECK(last_axis_contiguous(x), "rows of x ", x, " must be contiguous");
  run(ctx, device::ScaleRowsInplace{.x = x, .scales = scales});
}

void add_bias_inplace(Ctx& ctx, View<float, 2> x, View<const float, 1> bias) {
  FATHOM_CHECK(bias.dim(0) == x.dim(1), "bias ", bias, " vs x ", x);
  FATHOM_CHECK(last_axis_contiguous(bias), "bias ", bias, " must be contiguous");
  // One row that stands for all: its stride is 0.
  add_inplace(ctx, x, View<const float, 2>(bias.data(), x.dims(), {0, 1}));
}

void add_bias_backward(Ctx& ctx, View<const float, 2> dx, View<float, 1> dbias) {
  FATHOM_CHECK(dbias.dim(0) == dx.dim(1), "dbias ", dbias, " vs dx ", dx);
  FATHOM_CHECK(dx.contiguous() && last_axis_contiguous(dbias), "dx ", dx,
               " and dbias must be contiguous");
  run(ctx, device::AddBiasBackward{.dx = dx, .dbias = dbias});
}

void embedding_forward(Ctx& ctx, const MatRef& table, View<const i32, 1> ids, View<float, 2> out) {
  FATHOM_CHECK(out.dim(0) == ids.dim(0) && out.dim(1) == table.cols, "out ", out, " vs ids ", ids,
               " and table ", table);
  FATHOM_CHECK(last_axis_contiguous(out) && last_axis_contiguous(ids), "rows of out ", out,
               " and ids must be contiguous");
  for (i64 i = 0; i < ids.dim(0); ++i) {
    FATHOM_CHECK(ids(i) >= 0 && ids(i) < table.rows, "id ", ids(i), " at ", i, " of table ", table);
  }
  check_stored_type(table, "embedding_forward");
  run(ctx, device::EmbeddingForward{.table = table, .ids = ids, .out = out});
}

void embedding_backward(Ctx& ctx, View<const float, 2> dout, View<const i32, 1> ids,
                        View<float, 2> dtable) {
  FATHOM_CHECK(dout.dim(0) == ids.dim(0) && dout.dim(1) == dtable.dim(1), "dout ", dout, " vs ids ",
               ids, " and dtable ", dtable);
  FATHOM_CHECK(
      last_axis_contiguous(dout) && last_axis_contiguous(ids) && last_axis_contiguous(dtable),
      "rows of dout ", dout, ", ids and dtable must be contiguous");
  for (i64 i = 0; i < ids.dim(0); ++i) {
    FATHOM_CHECK(ids(i) >= -1 && ids(i) < dtable.dim(0), "id ", ids(i), " at ", i, " of dtable ",
                 dtable);
  }
  run(ctx, device::EmbeddingBackward{.dout = dout, .ids = ids, .dtable = dtable});
}

void token_log_probs(Ctx& ctx, View<const float, 2> logits, View<const i32, 1> targets,
                     View<double, 1> out) {
  const i64 rows = logits.dim(0), vocab = logits.dim(1);
  FATHOM_CHECK(targets.dim(0) == rows && out.dim(0) == rows, "targets ", targets, " and out ", out,
               " vs logits ", logits);
  FATHOM_CHECK(last_axis_contiguous(logits), "rows of logits ", logits, " must be contiguous");
  for (i64 t = 0; t < rows; ++t) {
    FATHOM_CHECK(targets(t) >= 0 && targets(t) < vocab, "target ", targets(t), " at ", t,
                 " of logits ", logits);
  }
  run(ctx, device::TokenLogProbs{.logits = logits, .targets = targets, .out = out});
}

}  // namespace fathom::ops
