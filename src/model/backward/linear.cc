#include "model/backward/linear.h"

namespace fathom::model::backward {
namespace {

void multiply(const TrainStep& step, const ops::PackedMatrix& a, const ops::PackedMatrix& b,
              View<float, 2> c, Into into) {
  const ops::GemmJob job{.a = a, .b = b, .c = c, .accumulate = into == Into::kAccumulate};
  ops::gemm(step.ctx, {&job, 1}, step.precision.accumulator());
}

}  // namespace

ops::PackedMatrix pack_input(const TrainStep& step, Workspace::Scope& scope,
                             View<const float, 2> x, const PackedLinear& w) {
  return ops::pack(step.ctx, scope, ops::PackSource(x), w.rounding.activation);
}

ops::PackedMatrix pack_gradient_turned(const TrainStep& step, Workspace::Scope& scope,
                                       View<const float, 2> dy, const PackedLinear& w) {
  return ops::pack(step.ctx, scope, ops::PackSource(dy, /*transposed=*/true),
                   w.rounding.gradient);
}

ops::PackedMatrix pack_input_turned(const TrainStep& step, Workspace::Scope& scope,
                                    const ops::PackSource& x, const PackedLinear& w) {
  return ops::pack(step.ctx, scope, x, w.rounding.activation);
}

void linear_forward(const TrainStep& step, const ops::PackedMatrix& x, const PackedLinear& w,
                    View<float, 2> y) {
  multiply(step, x, w.fprop, y, Into::kOverwrite);
}

void linear_forward(const TrainStep& step, View<const float, 2> x, const PackedLinear& w,
                    View<float, 2> y) {
  Workspace::Scope scratch(step.ctx.workspace());
  linear_forward(step, pack_input(step, scratch, x, w), w, y);
}

void linear_backward_input(const TrainStep& step, View<const float, 2> dy, const PackedLinear& w,
                           View<float, 2> dx, Into into) {
  Workspace::Scope scratch(step.ctx.workspace());
  multiply(step, ops::pack(step.ctx, scratch, ops::PackSource(dy), w.rounding.gradient), w.dgrad,
           dx, into);
}

void linear_backward_weight(const TrainStep& step, View<const float, 2> dy, const PackedLinear& w,
                            const ops::PackSource& x, View<float, 2> dweight) {
  Workspace::Scope scratch(step.ctx.workspace());
  multiply(step, pack_gradient_turned(step, scratch, dy, w),
           pack_input_turned(step, scratch, x, w), dweight, Into::kAccumulate);
}

SavedMatrix first_rows(const SavedMatrix& saved, i64 rows) {
  FATHOM_CHECK(!saved.empty() && rows <= saved.rows, rows, " rows of a kept ", saved);
  SavedMatrix part = saved;
  part.rows = rows;
  return part;
}

void keep(const TrainStep& step, View<const float, 2> x, const SavedMatrix& saved) {
  if (!saved.empty()) ops::save_matrix(step.ctx, x, first_rows(saved, x.dim(0)));
}

void load(const TrainStep& step, const SavedMatrix& saved, View<float, 2> x) {
  ops::load_matrix(step.ctx, first_rows(saved, x.dim(0)), x);
}

void keep_and_round(const TrainStep& step, View<float, 2> x, const SavedMatrix& saved) {
  keep(step, x, saved);
  if (saved.format != SavedFormat::kF32) load(step, saved, x);
}

ops::PackSource turned(const SavedMatrix& saved, View<const float, 2> x) {
  if (saved.empty()) return ops::PackSource(x, /*transposed=*/true);
  return ops::PackSource(first_rows(saved, x.dim(0)), /*transposed=*/true);
}

}  // namespace fathom::model::backward
