#pragma once
#include "model/exchange/expert_exchange.h"
#include "model/training/layers/ffn.h"
#include "ops/moe/moe_train.h"

namespace fathom::model::training {

struct TrainingMoeWeights
    : MoeParameters<const PackedLinear*, View<const float, 1>, TrainingFfnWeights> {
  i64 moe_layer = 0;  // its index in StepStats::expert_counts
};
/// The gradient of e_score_correction_bias stays 0: the balance rule moves it.
using MoeGrads = MoeParameters<View<float, 2>, View<float, 1>, FfnGrads>;

/// Tokens grouped by expert: what experts run on.
struct ExpertRows {
  ops::PermutedRows permuted;
  View<float, 1> row_weights;  // [permuted rows]  their routing weights
};
/// Tokens that came from the ranks of an expert group. Unused on one rank.
struct ArrivedTokens {
  ExchangeCounts counts;
  SavedMatrix x;           // [rows, hidden]  as they travelled
  ArrivedRouting routing;  // [rows, topk]
  ExpertRows rows;
};

/// What backward needs of the routing and of the experts. Permuted rows: see ops::PermutedRows.
struct MoeSaved {
  View<float, 2> scores;   // [tokens, experts]  affinities, unbiased
  View<i32, 2> chosen;     // [tokens, topk]
  View<i32, 2> kept;       // [tokens, topk]     chosen, -1 where capacity dropped it; may be chosen
  View<float, 2> weights;  // [tokens, topk]
  ExpertRows own;          // of `kept`, among all experts
  ArrivedTokens arrived;
  FfnSaved experts;         // [permuted rows, moe_intermediate]; activation: times its weight
  FfnSaved shared_experts;  // [tokens, n_shared*moe_intermediate]
};
MoeSaved plan_moe(const PassShape& shape, i64 tokens, StoragePlan& plan);

struct RoutedBackward {
  FfnBackward experts;     // of permuted rows
  SavedMatrix arrived_dy;  // [rows, hidden]  of the tokens that arrived; unused on one rank
};
struct MoeBackward {
  RoutedBackward routed;
  FfnBackward shared_experts;
  View<float, 2> dlogits;  // [tokens, experts]
};
MoeBackward alloc_moe_backward(const TrainStep& step, const TrainingMoeWeights& w,
                               const MoeSaved& saved, Workspace::Scope& scope);

/// y = sum_s FFN_s(x) + sum_{i in top} g_i FFN_i(x). Source: DeepSeek-V3 §2.1.2, eqs (12)-(16).
/// Token dropping, where the step asks for it: V2 §2.2.4.
///   x, y  [tokens, hidden]  f32  y overwritten
/// Adds to step.stats (expert counts, entropy, dropped) and step.raw_counts.
void moe_training_forward(const TrainStep& step, const TrainingMoeWeights& w,
                          View<const float, 2> x, View<float, 2> y, const MoeSaved& saved);
///   dy, dx  [tokens, hidden]  dx OVERWRITTEN
///   dnormalised  [sequences, experts]  gradient of the balance losses by every token's normalised
///                                      score (balance.h); empty: none
void moe_backward_input(const TrainStep& step, const TrainingMoeWeights& w, View<const float, 2> dy,
                        const MoeSaved& saved, View<const float, 2> dnormalised,
                        const MoeBackward& b, View<float, 2> dx);
///   x  [tokens, hidden]  the layer's input, as saved or recomputed, transposed for wgrad
void moe_backward_weight(const TrainStep& step, const TrainingMoeWeights& w,
                         View<const float, 2> dy, const ops::PackSource& x, const MoeSaved& saved,
                         const MoeBackward& b, const MoeGrads& grads);

}  // namespace fathom::model::training
