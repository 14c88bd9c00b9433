#include "ops/cross_entropy.h"

#include <cmath>

#include "kernels/cpu/isa_table.h"
#include "kernels/cpu/training_table.h"
#include "ops/checks.h"

namespace fathom::ops {

void cross_entropy_inplace(Ctx& ctx, View<float, 2> logits, View<const i32, 1> targets,
                           float grad_scale, View<double, 1> nll, View<u8, 1> target_is_largest) {
  require_cpu(ctx, "cross_entropy_inplace");
  const i64 rows = logits.dim(0), vocab = logits.dim(1);
  FATHOM_CHECK(targets.dim(0) == rows && nll.dim(0) == rows &&
                   (target_is_largest.empty() || target_is_largest.dim(0) == rows),
               "targets ", targets, ", nll ", nll, " and target_is_largest ", target_is_largest,
               " vs logits ", logits);
  FATHOM_CHECK(last_axis_contiguous(logits) && last_axis_contiguous(targets), "rows of logits ",
               logits, " and targets must be contiguous");
  for (i64 t = 0; t < rows; ++t) {
    FATHOM_CHECK(targets(t) < vocab, "target ", targets(t), " at ", t, " of logits ", logits);
  }
  Workspace::Scope scope(ctx.workspace());
  const auto terms = scope.alloc<kernels::CrossEntropyTerms>(rows);
  const kernels::CrossEntropyArgs args{.logits = logits.data(),
                                       .logits_stride = logits.stride(0),
                                       .targets = targets.data(),
                                       .terms = terms.data(),
                                       .vocab = vocab,
                                       .grad_scale = grad_scale};
  ctx.for_rows(rows, 4 * vocab, [&](i64 begin, i64 end) {
    ctx.isa().training->cross_entropy_rows(args, begin, end);
  });
  for (i64 t = 0; t < rows; ++t) {
    const kernels::CrossEntropyTerms& row = terms(t);
    const bool has_target = targets(t) >= 0;
    nll(t) = has_target ? -(row.target - row.largest - std::log(row.sum)) : 0.0;
    if (target_is_largest.empty()) continue;
    target_is_largest(t) = has_target && row.target >= row.largest ? 1 : 0;
  }
}

}  // namespace fathom::ops
