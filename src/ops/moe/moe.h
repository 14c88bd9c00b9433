#pragma once
#include <span>

#include "device/ctx.h"
#include "device/moe.h"
#include "ops/linear/linear.h"
#include "tensor/view.h"

namespace fathom::ops {

using device::FfnWeights;
using device::RouterOptions;
using fathom::ScoringFunc;
using fathom::TopkMethod;

/// The choice of experts. Source: DeepSeek-V3 §2.1.2, eqs (13)-(16); V2 §2.2.2.
///   logits        [tokens, experts]  f32   router outputs, before the scoring function
///   bias          [experts]          f32   e_score_correction_bias, for the choice only;
///                                          empty: none
///   topk_indices  [tokens, topk]     i32   overwritten; in order of falling (biased) score
///   topk_weights  [tokens, topk]     f32   overwritten; from UNBIASED scores, normalised (+1e-20)
///                                          if norm_topk_prob, times routed_scaling_factor
/// Dropped groups are masked with -inf. Ties: the lowest index. A NaN score never wins over a
/// number. Throws InternalError on a shape mismatch, a bias without kNoauxTc, or groups that do not
/// fit. CPU.
void moe_route(Ctx& ctx, View<const float, 2> logits, View<const float, 1> bias,
               const RouterOptions& options, View<i32, 2> topk_indices,
               View<float, 2> topk_weights);
/// Of a weight: the errors of one exponential, a quotient and the sum of the chosen.
inline constexpr double kMoeWeightRelTol = 2e-6;

/// y = FFN(x), x and y [tokens, hidden] f32; y overwritten, must not alias x.
void ffn_forward(Ctx& ctx, View<const float, 2> x, const FfnWeights& w, View<float, 2> y,
                 LinearMode mode);

/// y[t] = sum_j topk_weights[t, j] * FFN_{topk_indices[t, j]}(x[t]); y overwritten.
/// Experts must have one shape and one stored type. Rows are grouped by expert. A token's experts
/// are summed in order of rising index, so the result does not depend on the rest of the batch.
/// `shared`: if not nullptr, a feed-forward of any width that every token passes through, added
/// last. Throws InternalError on a shape mismatch, or naming an index outside. CPU.
void moe_experts_forward(Ctx& ctx, View<const float, 2> x, std::span<const FfnWeights> experts,
                         View<const i32, 2> topk_indices, View<const float, 2> topk_weights,
                         View<float, 2> y, LinearMode mode, const FfnWeights* shared = nullptr);

}  // namespace fathom::ops
