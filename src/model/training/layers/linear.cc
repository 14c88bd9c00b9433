#include "model/training/layers/linear.h"

#include <iterator>

namespace fathom::model::training {
namespace {

void multiply(const TrainStep& step, const ops::PackedMatrix& a, const ops::PackedMatrix& b,
              View<float, 2> c, Into into) {
  const ops::GemmJob job{.a = a, .b = b, .c = c, .accumulate = into == Into::kAccumulate};
  ops::gemm(step.ctx, {&job, 1}, step.precision.accumulator());
}

}  // namespace

ops::PackedMatrix pack_input(const TrainStep& step, Workspace::Scope& scope, View<const float, 2> x,
                             const PackedLinear& w) {
  return ops::pack(step.ctx, scope, ops::PackSource(x).as_left(), w.rounding.activation);
}

ops::PackedMatrix pack_gradient_transposed(const TrainStep& step, Workspace::Scope& scope,
                                           View<const float, 2> dy, const PackedLinear& w) {
  return ops::pack(step.ctx, scope, ops::PackSource(dy, /*transposed=*/true).as_left(),
                   w.rounding.gradient);
}

ops::PackedMatrix pack_input_transposed(const TrainStep& step, Workspace::Scope& scope,
                                        const ops::PackSource& x, const PackedLinear& w) {
  return ops::pack(step.ctx, scope, x, w.rounding.activation);
}

void linear_training_forward(const TrainStep& step, const ops::PackedMatrix& x,
                             const PackedLinear& w, View<float, 2> y) {
  multiply(step, x, w.fprop, y, Into::kOverwrite);
}

void linear_training_forward(const TrainStep& step, View<const float, 2> x, const PackedLinear& w,
                             View<float, 2> y) {
  Workspace::Scope scratch(step.ctx.workspace());
  linear_training_forward(step, pack_input(step, scratch, x, w), w, y);
}

void linear_backward_input(const TrainStep& step, View<const float, 2> dy, const PackedLinear& w,
                           View<float, 2> dx, Into into) {
  Workspace::Scope scratch(step.ctx.workspace());
  const ops::PackedMatrix packed =
      ops::pack(step.ctx, scratch, ops::PackSource(dy).as_left(), w.rounding.gradient);
  multiply(step, packed, w.dgrad, dx, into);
}

void linear_backward_weight(const TrainStep& step, View<const float, 2> dy, const PackedLinear& w,
                            const ops::PackSource& x, View<float, 2> dweight) {
  Workspace::Scope scratch(step.ctx.workspace());
  multiply(step, pack_gradient_transposed(step, scratch, dy, w),
           pack_input_transposed(step, scratch, x, w), dweight, Into::kAccumulate);
}

View<const ops::PackedMatrix, 1> pack_several(const TrainStep& step, Workspace::Scope& scope,
                                              View<const ops::PackSource, 1> sources,
                                              const ops::GemmRounding& rounding) {
  const i64 count = sources.dim(0);
  const auto packed = scope.alloc<ops::PackedMatrix>(count);
  const auto storage = scope.alloc<u8*>(count);
  for (i64 i = 0; i < count; ++i) {
    const ops::PackSource& source = sources(i);
    const i64 taken = source.row_ids.data() == nullptr ? source.x.rows : std::ssize(source.row_ids);
    const i64 rows = source.transpose ? source.x.cols : taken;
    const i64 k = source.transpose ? taken : source.x.cols;
    storage(i) = scope.alloc<u8>(ops::packed_bytes(step.ctx, rows, k, rounding)).data();
  }
  const size_t n = static_cast<size_t>(count);
  ops::pack_all(step.ctx, {sources.data(), n}, rounding, {storage.data(), n}, {packed.data(), n});
  return packed;
}

}  // namespace fathom::model::training
