#pragma once
#include <cstdint>

namespace fathom::kernels {

/// scores = sigmoid(logits) or softmax(logits).
struct RouterScoresArgs {
  const float* logits;  // [tokens, experts]
  int64_t logits_stride;
  float* scores;  // [tokens, experts]  overwritten; may be logits
  int64_t scores_stride;
  int64_t experts;
  bool softmax;
};

/// The topk largest scores of each token, ties to the lowest index, NaN last.
struct CountTopkArgs {
  const float* scores;  // [tokens, experts]
  int64_t scores_stride;
  int64_t experts, topk;
};

/// sum s and sum s log s of each token.
struct RouterEntropyArgs {
  const float* scores;  // [tokens, experts]
  int64_t scores_stride;
  float* sums;  // [tokens, 2]  overwritten
  int64_t experts;
};

/// Gradient of the chosen weights and of the normalised scores; ops/moe/moe_train.h has the
/// formulas.
struct RouterBackwardArgs {
  const float* scores;  // [tokens, experts]
  int64_t scores_stride;
  const int32_t* topk_indices;  // [tokens, topk]  below 0: dropped
  int64_t indices_stride;
  const float* dtopk_weights;  // [tokens, topk]
  int64_t dweights_stride;
  const float* dnormalised;  // [experts] or nullptr
  float* dlogits;            // [tokens, experts]  overwritten; not scores
  int64_t dlogits_stride;
  int64_t experts, topk;
  bool softmax;  // else sigmoid
  bool norm_topk_prob;
  float routed_scaling_factor;
};

/// y[t] = sum over the token's rows r of weights[t, r] * x[rows[t, r]], in the order given, up to
/// the first row below 0; or y[t] += that sum.
struct CombinePermutedArgs {
  const float* x;  // [permuted rows, dim]
  int64_t x_stride;
  const int32_t* rows;   // [tokens, topk]
  const float* weights;  // [tokens, topk]
  float* y;              // [tokens, dim]
  int64_t y_stride;
  int64_t topk, dim;
  bool accumulate;
};

/// dx[r] = weights[t, j] * dy[t], dweights[t, j] = sum_i dy[t, i] x[r, i], r = row_of[t, j].
struct CombinePermutedBackwardArgs {
  const float* dy;  // [tokens, dim]
  int64_t dy_stride;
  const float* x;  // [permuted rows, dim]
  int64_t x_stride;
  const int32_t* row_of;  // [tokens, topk]  below 0: dropped
  int64_t row_of_stride;
  const float* weights;  // [tokens, topk]
  int64_t weights_stride;
  float* dx;  // [permuted rows, dim]  overwritten; may be x
  int64_t dx_stride;
  float* dweights;  // [tokens, topk]  overwritten
  int64_t dweights_stride;
  int64_t topk, dim;
};

}  // namespace fathom::kernels
