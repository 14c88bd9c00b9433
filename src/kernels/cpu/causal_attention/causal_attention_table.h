#pragma once
// Causal attention over whole sequences and its gradients: training.
#include <cstdint>

#include "kernels/api/causal_attention.h"

namespace fathom::kernels::cpu {

struct CausalAttentionTable {
  // Units and rows [begin, end) of what kernels/api/causal_attention.h says.
  int64_t (*causal_attention_forward_scratch_bytes)(const CausalAttentionArgs&);
  int64_t (*causal_attention_backward_scratch_bytes)(const CausalAttentionArgs&);
  void (*causal_attention_forward_units)(const CausalAttentionForwardArgs&, int64_t begin,
                                         int64_t end, void* scratch);
  void (*causal_attention_backward_units)(const CausalAttentionBackwardArgs&, int64_t begin,
                                          int64_t end, void* scratch);
  void (*sum_heads_rows)(const SumHeadsArgs&, int64_t begin, int64_t end);
};

}  // namespace fathom::kernels::cpu
