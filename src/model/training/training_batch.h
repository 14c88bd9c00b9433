#pragma once
// What a pass is given: one micro-batch, and its share of the step.
#include "tensor/view.h"

namespace fathom::model {

/// One micro-batch; all views row-major, owned by the caller.
struct TrainingBatch {
  View<const i32, 2> tokens;     // [sequences, seq_len + 1 + mtp_depth]
  View<const i32, 3> targets;    // [1 + mtp_depth, sequences, seq_len]; negative: no target
  View<const i32, 2> documents;  // [sequences, seq_len + 1 + mtp_depth]
  View<const i64, 1> samples;    // [sequences] absolute sample index: who is exempt from dropping
  bool isolate_documents = false;
};

/// The one place where losses are scaled. Everything is a share of the whole step, so that any
/// split into micro-batches gives the same loss and the same gradients.
struct LossScale {
  double targets = 1.0;     // of the step's whole batch: each has weight 1 / targets
  double sequences = 1.0;   // of the step's whole batch: balance losses are means over them
  double mtp_weight = 0.0;  // lambda; divided by the depth inside, as V3 eq. (25)
};

}  // namespace fathom::model
