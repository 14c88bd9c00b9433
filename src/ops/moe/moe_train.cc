#include "ops/moe/moe_train.h"

#include "device/run.h"
#include "ops/checks.h"

namespace fathom::ops {
void router_scores(Ctx& ctx, View<const float, 2> logits, ScoringFunc scoring_func,
                   View<float, 2> scores) {
  FATHOM_CHECK(scores.dims() == logits.dims(), "scores ", scores, " vs logits ", logits);
  FATHOM_CHECK(last_axis_contiguous(logits) && last_axis_contiguous(scores), "rows of logits ",
               logits, " and scores must be contiguous");
  run(ctx, device::RouterScores{.logits = logits, .scoring_func = scoring_func, .scores = scores});
}

void count_experts(Ctx& ctx, View<const i32, 2> topk_indices, View<i64, 1> counts) {
  check_choices(topk_indices, counts.dim(0));
  run(ctx, device::CountExperts{.topk_indices = topk_indices, .counts = counts});
}

i64 count_distinct_experts(Ctx& ctx, View<const i32, 2> topk_indices, i64 experts) {
  check_choices(topk_indices, experts);
  i64 count = 0;
  run(ctx, device::CountDistinctExperts{
               .topk_indices = topk_indices, .experts = experts, .count = &count});
  return count;
}

void count_raw_topk(Ctx& ctx, View<const float, 2> scores, i64 topk, View<i64, 1> counts) {
  const i64 experts = scores.dim(1);
  FATHOM_CHECK(topk >= 1 && topk <= experts, "topk ", topk, " of ", experts, " experts");
  FATHOM_CHECK(counts.dim(0) == experts, "counts ", counts, " vs scores ", scores);
  FATHOM_CHECK(last_axis_contiguous(scores), "rows of scores ", scores, " must be contiguous");
  run(ctx, device::CountRawTopk{.scores = scores, .topk = topk, .counts = counts});
}

void sum_normalised_scores(Ctx& ctx, View<const float, 2> scores, View<double, 1> sums) {
  FATHOM_CHECK(sums.dim(0) == scores.dim(1), "sums ", sums, " vs scores ", scores);
  FATHOM_CHECK(last_axis_contiguous(scores) && last_axis_contiguous(sums), "rows of scores ",
               scores, " and sums must be contiguous");
  run(ctx, device::SumNormalisedScores{.scores = scores, .sums = sums});
}

double router_entropy(Ctx& ctx, View<const float, 2> scores) {
  FATHOM_CHECK(last_axis_contiguous(scores), "rows of scores ", scores, " must be contiguous");
  double entropy = 0.0;
  run(ctx, device::RouterEntropy{.scores = scores, .entropy = &entropy});
  return entropy;
}

void router_backward(Ctx& ctx, View<const float, 2> scores, View<const i32, 2> topk_indices,
                     View<const float, 2> dtopk_weights, const RouterOptions& options,
                     View<const float, 1> dnormalised, View<float, 2> dlogits) {
  const i64 tokens = scores.dim(0), experts = scores.dim(1);
  FATHOM_CHECK(topk_indices.dims() == dtopk_weights.dims() && topk_indices.dim(0) == tokens,
               "topk_indices ", topk_indices, " and dtopk_weights ", dtopk_weights, " vs scores ",
               scores);
  FATHOM_CHECK(dlogits.dims() == scores.dims(), "dlogits ", dlogits, " vs scores ", scores);
  FATHOM_CHECK(dlogits.data() != scores.data(), "dlogits ", dlogits, " over the scores");
  FATHOM_CHECK(dnormalised.empty() || dnormalised.dim(0) == experts, "dnormalised ", dnormalised,
               " vs scores ", scores);
  FATHOM_CHECK(last_axis_contiguous(scores) && last_axis_contiguous(topk_indices) &&
                   last_axis_contiguous(dtopk_weights) && last_axis_contiguous(dnormalised) &&
                   last_axis_contiguous(dlogits),
               "the last axis of scores ", scores, " and of all others must be contiguous");
  check_choices(topk_indices, experts);
  run(ctx, device::RouterBackward{.scores = scores,
                                  .topk_indices = topk_indices,
                                  .dtopk_weights = dtopk_weights,
                                  .options = options,
                                  .dnormalised = dnormalised,
                                  .dlogits = dlogits});
}

}  // namespace fathom::ops
