#pragma once
// What a pass is given: one micro-batch, and its share of the step.
#include "tensor/view.h"

namespace fathom::model {

/// Weighs the main head's targets by what the model thinks of them: for losses that are no mean of
/// all (the mean of means of samples, a policy's gradient).
class TokenObjective {
 public:
  virtual ~TokenObjective() = default;
  /// Asked once for every position of a micro-batch, in stretches: sequences end to end.
  ///   first             position of the stretch's first token in the micro-batch
  ///   nll      [tokens]  f64  -log p(target) with logits / temperature(); 0 without a target
  ///   weights  [tokens]  f32  OVERWRITTEN: dL / dnll
  virtual void weigh(i64 first, View<const double, 1> nll, View<float, 1> weights) = 0;
  /// Logits are divided by it, as sampling divides them.
  virtual double temperature() const { return 1.0; }
};

/// One micro-batch; all views row-major, owned by the caller.
struct TrainingBatch {
  View<const i32, 2> tokens;     // [sequences, seq_len + 1 + mtp_depth]
  View<const i32, 3> targets;    // [1 + mtp_depth, sequences, seq_len]; negative: no target
  View<const i32, 2> documents;  // [sequences, seq_len + 1 + mtp_depth]
  View<const i64, 1> samples;    // [sequences] absolute sample index: who is exempt from dropping
  bool isolate_documents = false;  // they see themselves alone, their positions begin at 0
  TokenObjective* objective = nullptr;  // of the main head; nullptr: LossScale::targets alone
};

/// The one place where losses are scaled. Everything is a share of the whole step, so that any
/// split into micro-batches gives the same loss and the same gradients.
struct LossScale {
  double targets = 1.0;     // of the step's whole batch: each has weight 1 / targets
  double sequences = 1.0;   // of the step's whole batch: balance losses are means over them
  double mtp_weight = 0.0;  // lambda; divided by the depth inside, as V3 eq. (25)
};

}  // namespace fathom::model
