#include "ops/cross_entropy.h"

#include <cmath>

#include "kernels/cpu/isa/isa_table.h"
#include "kernels/cpu/loss/loss_table.h"
#include "ops/checks.h"

namespace fathom::ops {

void cross_entropy_inplace(Ctx& ctx, View<float, 2> logits, View<const i32, 1> targets,
                           float grad_scale, View<double, 1> nll, View<i32, 1> largest) {
  require_cpu(ctx, "cross_entropy_inplace");
  const i64 rows = logits.dim(0), vocab = logits.dim(1);
  FATHOM_CHECK(
      targets.dim(0) == rows && nll.dim(0) == rows && (largest.empty() || largest.dim(0) == rows),
      "targets ", targets, ", nll ", nll, " and largest ", largest, " vs logits ", logits);
  FATHOM_CHECK(last_axis_contiguous(logits) && last_axis_contiguous(targets) &&
                   last_axis_contiguous(largest),
               "rows of logits ", logits, ", targets and largest must be contiguous");
  for (i64 t = 0; t < rows; ++t) {
    FATHOM_CHECK(targets(t) < vocab, "target ", targets(t), " at ", t, " of logits ", logits);
  }
  Workspace::Scope scope(ctx.workspace());
  const auto terms = scope.alloc<kernels::CrossEntropyTerms>(rows);
  const kernels::CrossEntropyArgs args{.logits = logits.data(),
                                       .logits_stride = logits.stride(0),
                                       .targets = targets.data(),
                                       .terms = terms.data(),
                                       .largest_index = largest.data(),
                                       .vocab = vocab,
                                       .grad_scale = grad_scale};
  ctx.for_rows(rows, 4 * vocab,
               [&](i64 begin, i64 end) { ctx.isa().loss->cross_entropy_rows(args, begin, end); });
  for (i64 t = 0; t < rows; ++t) {
    const kernels::CrossEntropyTerms& row = terms(t);
    nll(t) = targets(t) >= 0 ? -(row.target - row.largest - std::log(row.sum)) : 0.0;
  }
}

}  // namespace fathom::ops
