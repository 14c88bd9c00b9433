#pragma once
// Useful arithmetic of training, from the config alone.
#include "config/model/model_config.h"

namespace fathom::plan {

/// Floating-point operations of one input token's forward and backward pass: a product of an
/// activated matrix counts 2 a weight forward and 4 backward; attention counts the causal half, a
/// token seeing (seq_len + 1) / 2 others. What is recomputed, norms, router choice, loss and
/// optimizer are not useful arithmetic and do not count. The embedding is a lookup.
struct TrainingFlops {
  double matrices = 0.0;   // main model: projections, experts, router, head
  double attention = 0.0;  // main model: q.k and p.v
  double mtp = 0.0;        // the modules with both of the above and the shared head

  double per_token() const { return matrices + attention + mtp; }
};

TrainingFlops training_flops(const ModelConfig& config, i64 seq_len);

}  // namespace fathom::plan
