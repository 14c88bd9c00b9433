#pragma once
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/types.h"

namespace fathom::engine {

/// The defaults sample from the model's own distribution. The order in which they act is vLLM's:
/// bias, penalties, mask, temperature, min-p, top-k, top-p.
struct SamplingParams {
  double temperature = 1.0;  // >= 0; 0 takes the largest logit, the lowest id of equal ones
  i64 top_k = 0;             // keep the k largest; 0: all
  double top_p = 1.0;        // keep the smallest set with this much probability; in (0, 1]
  double min_p = 0.0;        // drop below min_p * the largest probability; in [0, 1]
  double repetition_penalty =
      1.0;  // > 0; divides positive, multiplies negative logits of seen tokens
  double presence_penalty = 0.0;   // in [-2, 2]; subtracted once from generated tokens
  double frequency_penalty = 0.0;  // in [-2, 2]; subtracted for each time a token was generated
  std::vector<std::pair<i32, double>> logit_bias;  // (id, added to its logit in [-100, 100])
  u64 seed = 0;
};

/// All fields outside their range at once.
Result<void> validate(const SamplingParams& params);

}  // namespace fathom::engine
