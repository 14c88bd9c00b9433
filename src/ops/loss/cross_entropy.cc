#include "ops/loss/cross_entropy.h"

#include "device/run.h"
#include "ops/checks.h"

namespace fathom::ops {

void cross_entropy_inplace(Ctx& ctx, View<float, 2> logits, View<const i32, 1> targets,
                           float grad_scale, View<double, 1> nll, View<i32, 1> largest) {
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
  run(ctx, device::CrossEntropyInplace{.logits = logits,
                                       .targets = targets,
                                       .grad_scale = grad_scale,
                                       .nll = nll,
                                       .largest = largest});
}

}  // namespace fathom::ops
