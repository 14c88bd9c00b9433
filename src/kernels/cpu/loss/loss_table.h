#pragma once
// Log probabilities of tokens, and the cross entropy with its gradient.
#include <cstdint>

#include "kernels/api/cross_entropy.h"
#include "kernels/api/elementwise.h"

namespace fathom::kernels::cpu {

struct LossTable {
  void (*token_log_probs_rows)(const TokenLogProbsArgs&, int64_t begin, int64_t end);
  void (*cross_entropy_rows)(const CrossEntropyArgs&, int64_t begin, int64_t end);
};

}  // namespace fathom::kernels::cpu
