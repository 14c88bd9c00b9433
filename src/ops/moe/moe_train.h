#pragma once
// The router of training: scores that are saved, the gradient of the chosen weights, and of the
// balance losses; the way of rows to their experts and back. The choice itself is moe_route
// (ops/moe/moe.h), the same code that serves. A choice below 0 (-1) was dropped: it has no weight,
// no permuted row, no count and no gradient.
#include "ops/moe/moe.h"

namespace fathom::ops {

/// scores = sigmoid(logits) or softmax(logits), the bits that moe_route uses; [tokens, experts]
/// f32; scores may alias logits. CPU.
void router_scores(Ctx& ctx, View<const float, 2> logits, ScoringFunc scoring_func,
                   View<float, 2> scores);

/// counts[e] += how many of topk_indices [tokens, topk] name e; -1 (dropped) counts for none.
///   counts [experts] i64 ACCUMULATED
void count_experts(Ctx& ctx, View<const i32, 2> topk_indices, View<i64, 1> counts);

/// How many of the experts [0, experts) topk_indices [tokens, topk] name at all. CPU.
i64 count_distinct_experts(Ctx& ctx, View<const i32, 2> topk_indices, i64 experts);

/// Counts of the balance losses (V3 eq. 18): how often each expert is among the topk largest RAW
/// scores, without bias and without groups; ties: the lowest index; a NaN never wins over a number.
///   scores [tokens, experts] f32 -> counts [experts] i64 ACCUMULATED
void count_raw_topk(Ctx& ctx, View<const float, 2> scores, i64 topk, View<i64, 1> counts);

/// sums[e] += sum_t s'[t, e], s' = scores / (sum_e scores + 1e-20): T * P of V3 eq. (20), in f64
/// and in the order of t.  Softmax scores add up to 1 already, so for them s' = scores.
void sum_normalised_scores(Ctx& ctx, View<const float, 2> scores, View<double, 1> sums);

/// sum_t -sum_e s'[t, e] log s'[t, e], in nats, s' as above: how undecided the router is. A token
/// whose scores are all 0 counts 0. Agrees with ref<double> to kRouterEntropyAbsTol a token. CPU.
double router_entropy(Ctx& ctx, View<const float, 2> scores);
inline constexpr double kRouterEntropyAbsTol = 5e-6;

/// dlogits of the router. Per token, with s the scores, I the chosen experts that were not dropped,
/// f the factor:
///   g_i = f s_i / (sum_I s + 1e-20) if norm_topk_prob, else f s_i
///   ds  = J_g^T dtopk_weights + J_{s'}^T dnormalised          dlogits = J_score^T ds
/// J_{s'}: of s'_e = s_e / (sum s + 1e-20). moe_route divides by the sum over all its choices, so a
/// caller that drops some and has norm_topk_prob must divide the weights by the sum of those that
/// stay.
///   scores        [tokens, experts] f32   of router_scores
///   topk_indices  [tokens, topk]    i32   -1: dropped, no gradient
///   dtopk_weights [tokens, topk]    f32   gradient of the weights that moe_route gave
///   dnormalised   [experts]         f32   gradient of every token's s'_e: alpha f_e / T of the
///                                         balance losses of one sequence; empty: none
///   dlogits       [tokens, experts] f32   OVERWRITTEN; must not alias scores
/// The choice has no gradient. Source: DeepSeek-V3 §2.1.2, eqs (13)-(20). Agrees with ref<double>
/// to kRouterGradRelTol of the largest. Throws InternalError on a shape mismatch, or naming an
/// index outside. CPU.
void router_backward(Ctx& ctx, View<const float, 2> scores, View<const i32, 2> topk_indices,
                     View<const float, 2> dtopk_weights, const RouterOptions& options,
                     View<const float, 1> dnormalised, View<float, 2> dlogits);
inline constexpr double kRouterGradRelTol = 5e-6;

using device::PermutedRows;
/// Fills `rows`, whose views have the shapes above. Throws InternalError naming an index outside.
void group_by_expert(Ctx& ctx, View<const i32, 2> topk_indices, const PermutedRows& rows);

/// out[r] = weights[tokens[r], slots[r]] for each permuted row r.
///   weights  [tokens, topk]    f32
///   out      [permuted rows]   f32   overwritten
/// CPU.
void permute_weights(Ctx& ctx, View<const float, 2> weights, const PermutedRows& rows,
                     View<float, 1> out);
/// The inverse, and the backward: out[tokens[r], slots[r]] = x[r]; 0 where dropped. CPU.
void unpermute_weights(Ctx& ctx, View<const float, 1> x, const PermutedRows& rows,
                       View<float, 2> out);

/// y[t] (+)= sum_j weights[t, j] * x[row_of[t, j]], experts in rising index as
/// moe_experts_forward; dropped choices are skipped.  x [permuted rows, dim] f32; y [tokens, dim]
/// f32, overwritten or accumulated. weights empty: 1 (the backward of a gather). CPU.
void combine_rows(Ctx& ctx, View<const float, 2> x, const PermutedRows& rows,
                  View<const i32, 2> topk_indices, View<const float, 2> weights, bool accumulate,
                  View<float, 2> y);

/// The backward of combine_rows with weights:
///   dx[r]               = weights[t, j] * dy[t]          for r = row_of[t, j]; OVERWRITTEN
///   dweights[t, j]      = sum_i dy[t, i] x[r, i]         OVERWRITTEN; 0 where dropped
/// dx may alias x. Agree with ref<double> to kCombineRelTol of the largest. CPU.
void combine_rows_backward(Ctx& ctx, View<const float, 2> dy, View<const float, 2> x,
                           const PermutedRows& rows, View<const float, 2> weights,
                           View<float, 2> dx, View<float, 2> dweights);
inline constexpr double kCombineRelTol = 2e-6;

}  // namespace fathom::ops
