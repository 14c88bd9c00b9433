#pragma once
#include <cstdint>

namespace fathom::kernels {

/// What is left of a row for the caller: nll = log(sum) + largest - target. The log is the
/// caller's.
struct CrossEntropyTerms {
  double largest;  // logit of the row
  double sum;      // sum exp(logit - largest); 1 for a row without target, whose other terms are 0
  double target;   // logit of the target
};

/// logits <- grad_scale * (softmax(logits) - onehot(target)); rows without target <- 0.
struct CrossEntropyArgs {
  float* logits;  // [rows, vocab]
  int64_t logits_stride;
  const int32_t* targets;    // [rows]  below 0: none
  CrossEntropyTerms* terms;  // [rows]  overwritten
  int32_t* largest_index;    // [rows]  overwritten: where the largest logit is; nullptr: not wanted
  int64_t vocab;
  float grad_scale;
};

}  // namespace fathom::kernels
