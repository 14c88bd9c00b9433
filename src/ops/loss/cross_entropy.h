#pragma once
#include "device/ctx.h"
#include "tensor/view.h"

namespace fathom::ops {

/// The loss of rows of logits and its gradient, in place.
///   nll[t]       = log sum_v exp(logits[t, v]) - logits[t, targets[t]]
///   logits[t, v] <- grad_scale * (softmax(logits[t])[v] - [v == targets[t]])
///   logits   [tokens, vocab]  f32   in: logits, out: their gradient
///   targets  [tokens]         i32   a negative one is no target: nll 0, gradient 0
///   nll      [tokens]         f64   overwritten
///   largest  [tokens]         i32   overwritten: the arg-max of the logits, the lowest among
///   equals;
///                                   -1 where there is no target or no number; empty: not wanted
/// `grad_scale`: the weight of one target in the step's loss (1 / targets of the step, times
/// lambda for MTP): the one place where a loss is scaled. Exponentials in f32, sums as
/// token_log_probs makes them: nll has the bits of its negative. Rows beyond `real_vocab` (no token
/// has them) take part as any other. A NaN or +inf makes its own row NaN, -inf is a probability of
/// 0. The gradient agrees with ref<double> to kCrossEntropyRelTol of grad_scale, nll to
/// kTokenLogProbsAbsTol. Throws InternalError on a shape mismatch or a target >= vocab. CPU.
void cross_entropy_inplace(Ctx& ctx, View<float, 2> logits, View<const i32, 1> targets,
                           float grad_scale, View<double, 1> nll, View<i32, 1> largest = {});
inline constexpr double kCrossEntropyRelTol = 5e-6;

}  // namespace fathom::ops
