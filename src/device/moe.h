#pragma once
#include <span>

#include "base/routing.h"
#include "device/linear.h"
#include "device/op.h"
#include "tensor/mat_ref.h"
#include "tensor/view.h"

namespace fathom::device {

struct RouterOptions {
  ScoringFunc scoring_func = ScoringFunc::kSigmoid;
  TopkMethod topk_method = TopkMethod::kNoauxTc;
  i64 n_group = 1;
  i64 topk_group = 1;
  bool norm_topk_prob = true;
  float routed_scaling_factor = 1.0f;
};
struct MoeRoute {
  static constexpr const char* kName = "moe_route";
  View<const float, 2> logits;
  View<const float, 1> bias;  // empty: none
  RouterOptions options;
  View<i32, 2> topk_indices;
  View<float, 2> topk_weights;
};

/// One SwiGLU feed-forward: down_proj(silu(gate_proj x) * up_proj x).
struct FfnWeights {
  MatRef gate_proj;  // [intermediate, hidden]
  MatRef up_proj;    // [intermediate, hidden]
  MatRef down_proj;  // [hidden, intermediate]
};
struct FfnForward {
  static constexpr const char* kName = "ffn_forward";
  View<const float, 2> x;
  FfnWeights w;
  View<float, 2> y;
  LinearMode mode;
};
struct MoeExpertsForward {
  static constexpr const char* kName = "moe_experts_forward";
  View<const float, 2> x;
  std::span<const FfnWeights> experts;
  View<const i32, 2> topk_indices;
  View<const float, 2> topk_weights;
  View<float, 2> y;
  LinearMode mode;
  const FfnWeights* shared;  // nullptr: none
};

struct RouterScores {
  static constexpr const char* kName = "router_scores";
  View<const float, 2> logits;
  ScoringFunc scoring_func;
  View<float, 2> scores;
};
struct RouterBackward {
  static constexpr const char* kName = "router_backward";
  View<const float, 2> scores;
  View<const i32, 2> topk_indices;
  View<const float, 2> dtopk_weights;
  RouterOptions options;
  View<const float, 1> dnormalised;  // empty: none
  View<float, 2> dlogits;
};

struct CountExperts {
  static constexpr const char* kName = "count_experts";
  View<const i32, 2> topk_indices;
  View<i64, 1> counts;
};
struct CountDistinctExperts {
  static constexpr const char* kName = "count_distinct_experts";
  View<const i32, 2> topk_indices;
  i64 experts;
  i64* count;
};
struct CountRawTopk {
  static constexpr const char* kName = "count_raw_topk";
  View<const float, 2> scores;
  i64 topk;
  View<i64, 1> counts;
};
struct SumNormalisedScores {
  static constexpr const char* kName = "sum_normalised_scores";
  View<const float, 2> scores;
  View<double, 1> sums;
};
struct RouterEntropy {
  static constexpr const char* kName = "router_entropy";
  View<const float, 2> scores;
  double* entropy;
};

/// Tokens permuted so that those of an expert stand in a run: expert e has permuted rows
/// [offsets[e], offsets[e + 1]); permuted row r holds token tokens[r], its top-k slot slots[r].
/// Within an expert tokens rise. A dropped choice (-1) has no row.
struct PermutedRows {
  View<i32, 1> offsets;  // [experts + 1]
  View<i32, 1> tokens;   // [tokens * topk]  the first offsets[experts] are rows
  View<i32, 1> slots;    // [tokens * topk]
  View<i32, 2> row_of;   // [tokens, topk]  the inverse; -1 if dropped
};
struct GroupByExpert {
  static constexpr const char* kName = "group_by_expert";
  View<const i32, 2> topk_indices;
  PermutedRows rows;
};
struct PermuteWeights {
  static constexpr const char* kName = "permute_weights";
  View<const float, 2> weights;
  PermutedRows rows;
  View<float, 1> out;
};
struct UnpermuteWeights {
  static constexpr const char* kName = "unpermute_weights";
  View<const float, 1> x;
  PermutedRows rows;
  View<float, 2> out;
};
struct CombineRows {
  static constexpr const char* kName = "combine_rows";
  View<const float, 2> x;
  PermutedRows rows;
  View<const i32, 2> topk_indices;
  View<const float, 2> weights;  // empty: 1
  bool accumulate;
  View<float, 2> y;
};
struct CombineRowsBackward {
  static constexpr const char* kName = "combine_rows_backward";
  View<const float, 2> dy, x;
  PermutedRows rows;
  View<const float, 2> weights;
  View<float, 2> dx, dweights;
};

}  // namespace fathom::device
