#pragma once
#include "model/training/moe/moe.h"

namespace fathom::model::training {

/// Logits, scores, the choice, what capacity leaves of it, and the permuted rows, into `saved`.
/// Source: DeepSeek-V3 §2.1.2, eqs (13)-(16).
///   x  [tokens, hidden]  f32
/// Adds to step.stats (expert counts, entropy, dropped) and step.raw_counts.
void router_training_forward(const TrainStep& step, const TrainingMoeWeights& w,
                             View<const float, 2> x, const MoeSaved& saved);
/// dlogits, and dx += dlogits W_gate.
///   dweights     [tokens, topk]        gradients of the routing weights
///   dnormalised  [sequences, experts]  of the balance losses (balance.h); empty: none
///   dlogits      [tokens, experts]     OVERWRITTEN
///   dx           [tokens, hidden]      ACCUMULATED
void router_backward_input(const TrainStep& step, const TrainingMoeWeights& w,
                           const MoeSaved& saved, View<const float, 2> dweights,
                           View<const float, 2> dnormalised, View<float, 2> dlogits,
                           View<float, 2> dx);

}  // namespace fathom::model::training
