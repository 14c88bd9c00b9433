#pragma once
// The router, its losses and gradients, and the sum of what the experts made.
#include <cstdint>

#include "kernels/api/moe.h"
#include "kernels/api/moe_train.h"

namespace fathom::kernels::cpu {

struct MoeTable {
  // Each works on tokens [begin, end).
  void (*moe_route_rows)(const MoeRouteArgs&, int64_t begin, int64_t end, float* scratch);
  void (*router_scores_rows)(const RouterScoresArgs&, int64_t begin, int64_t end);
  void (*count_topk_rows)(const CountTopkArgs&, int64_t begin, int64_t end, int64_t* counts,
                          float* scratch);
  void (*router_entropy_rows)(const RouterEntropyArgs&, int64_t begin, int64_t end);
  void (*router_backward_rows)(const RouterBackwardArgs&, int64_t begin, int64_t end);
  void (*combine_rows)(const CombineRowsArgs&, int64_t begin, int64_t end);
  void (*combine_permuted_rows)(const CombinePermutedArgs&, int64_t begin, int64_t end);
  void (*combine_permuted_backward_rows)(const CombinePermutedBackwardArgs&, int64_t begin,
                                         int64_t end);
};

}  // namespace fathom::kernels::cpu
