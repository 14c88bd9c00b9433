#pragma once
#include <cstdint>

namespace fathom::kernels {

/// The choice of experts, a token at a time; ops/moe/moe.h has the rule.
struct MoeRouteArgs {
  const float* logits;  // [tokens, experts]
  int64_t logits_stride;
  const float* bias;      // [experts] or nullptr
  int32_t* topk_indices;  // [tokens, topk]
  int64_t indices_stride;
  float* topk_weights;  // [tokens, topk]
  int64_t weights_stride;
  int64_t experts, topk, n_group, topk_group;
  bool softmax;         // else sigmoid
  bool group_limited;   // drop all but topk_group groups
  bool group_sum_top2;  // score of a group: sum of its two largest, else its largest
  bool norm_topk_prob;
  float routed_scaling_factor;
};

/// y[t] = sum over the token's rows r of weight[r] * x[row[r]], in the order given.
struct CombineRowsArgs {
  const float* x;  // [rows, dim]
  int64_t x_stride;
  const int32_t* rows;         // [tokens, topk]  rising
  const float* weights;        // [tokens, topk]
  int64_t row_begin, row_end;  // only rows in here; row_begin is x's first
  bool accumulate;             // y holds the sum over the rows before
  float* y;                    // [tokens, dim]  overwritten
  int64_t y_stride;
  int64_t topk, dim;
};

}  // namespace fathom::kernels
