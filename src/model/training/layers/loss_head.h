#pragma once
#include "model/training/layers/linear.h"

namespace fathom::model::training {

/// How the targets of a head are weighed.
struct TargetWeights {
  double each = 0.0;                   // of every target
  HeadObjective* objective = nullptr;  // if there is one, it decides instead
};

/// What one head's loss says of a micro-batch.
struct HeadLoss {
  double nll = 0.0;  // summed over targets, nats
  i64 targets = 0;
};

/// Tokens whose logits exist at once: about 32 MiB of them. Fixed by the vocabulary alone, so that
/// the sums over chunks do not depend on the machine.
i64 head_chunk_tokens(i64 vocab, i64 tokens);

/// The output head and its loss, forward and backward in one: in chunks of tokens, so that
/// [tokens, vocab] never exists whole.
///   logits = hidden W^T;  nll[t] = log sum exp(logits[t]) - logits[t, targets[t]]
///   loss = sum_t weight[t] nll[t];  dhidden = dlogits W;  dW += dlogits^T hidden
/// Source: DeepSeek-V3 §2.2, eqs (23)-(25). An objective makes nll and dlogits instead.
///   hidden   [tokens, hidden]  f32
///   targets  [tokens]          i32  negative: none
///   largest  [tokens]          i32  OVERWRITTEN: arg-max of the logits, -1 without a target; or
///                                  empty
///   dhidden  [tokens, hidden]  f32  OVERWRITTEN; empty: no gradients at all
///   dweight  [vocab, hidden]   f32  ACCUMULATED
HeadLoss head_loss(const TrainStep& step, const PackedLinear& w, View<const float, 2> hidden,
                   View<const i32, 1> targets, const TargetWeights& weights, View<i32, 1> largest,
                   View<float, 2> dhidden, View<float, 2> dweight);

/// The logits alone, chunk by chunk; logits [tokens, vocab] overwritten.
void head_logits(const TrainStep& step, const PackedLinear& w, View<const float, 2> hidden,
                 View<float, 2> logits);

}  // namespace fathom::model::training
