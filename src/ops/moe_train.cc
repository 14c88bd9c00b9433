#include "ops/moe_train.h"

#include <algorithm>
#include <cmath>

#include "kernels/cpu/isa/isa_table.h"
#include "kernels/cpu/moe/moe_table.h"
#include "ops/checks.h"

namespace fathom::ops {
namespace {

void check_indices(View<const i32, 2> topk_indices, i64 experts) {
  for (i64 t = 0; t < topk_indices.dim(0); ++t) {
    for (i64 j = 0; j < topk_indices.dim(1); ++j) {
      const i32 expert = topk_indices(t, j);
      FATHOM_CHECK(expert >= -1 && expert < experts, "expert ", expert, " of token ", t, ", of ",
                   experts);
    }
  }
}

}  // namespace

void router_scores(Ctx& ctx, View<const float, 2> logits, ScoringFunc scoring_func,
                   View<float, 2> scores) {
  require_cpu(ctx, "router_scores");
  FATHOM_CHECK(scores.dims() == logits.dims(), "scores ", scores, " vs logits ", logits);
  FATHOM_CHECK(last_axis_contiguous(logits) && last_axis_contiguous(scores), "rows of logits ",
               logits, " and scores must be contiguous");
  const kernels::RouterScoresArgs args{.logits = logits.data(),
                                       .logits_stride = logits.stride(0),
                                       .scores = scores.data(),
                                       .scores_stride = scores.stride(0),
                                       .experts = logits.dim(1),
                                       .softmax = scoring_func == ScoringFunc::kSoftmax};
  ctx.for_rows(logits.dim(0), 4 * args.experts,
               [&](i64 begin, i64 end) { ctx.isa().moe->router_scores_rows(args, begin, end); });
}

void count_experts(View<const i32, 2> topk_indices, View<i64, 1> counts) {
  check_indices(topk_indices, counts.dim(0));
  for (i64 t = 0; t < topk_indices.dim(0); ++t) {
    for (i64 j = 0; j < topk_indices.dim(1); ++j) {
      if (topk_indices(t, j) >= 0) ++counts(topk_indices(t, j));
    }
  }
}

void count_raw_topk(Ctx& ctx, View<const float, 2> scores, i64 topk, View<i64, 1> counts) {
  require_cpu(ctx, "count_raw_topk");
  const i64 tokens = scores.dim(0), experts = scores.dim(1);
  FATHOM_CHECK(topk >= 1 && topk <= experts, "topk ", topk, " of ", experts, " experts");
  FATHOM_CHECK(counts.dim(0) == experts, "counts ", counts, " vs scores ", scores);
  FATHOM_CHECK(last_axis_contiguous(scores), "rows of scores ", scores, " must be contiguous");
  const kernels::CountTopkArgs args{
      .scores = scores.data(), .scores_stride = scores.stride(0), .experts = experts, .topk = topk};
  // Each part counts by itself; sums of integers are the same in any order.
  const i64 parts = std::clamp<i64>(tokens * experts / 4096, 1, num_threads());
  Workspace::Scope scope(ctx.workspace());
  const auto part_counts = scope.alloc<i64>(parts, experts);
  const auto scratch = scope.alloc<float>(parts, experts);
  std::fill_n(part_counts.data(), part_counts.size(), i64{0});
  parallel_for(parts, 1, [&](i64 begin, i64 end) {
    for (i64 part = begin; part < end; ++part) {
      ctx.isa().moe->count_topk_rows(args, tokens * part / parts, tokens * (part + 1) / parts,
                                     part_counts.row(part), scratch.row(part));
    }
  });
  for (i64 part = 0; part < parts; ++part) {
    for (i64 e = 0; e < experts; ++e) counts(e) += part_counts(part, e);
  }
}

void sum_normalised_scores(View<const float, 2> scores, View<double, 1> sums) {
  FATHOM_CHECK(sums.dim(0) == scores.dim(1), "sums ", sums, " vs scores ", scores);
  FATHOM_CHECK(last_axis_contiguous(scores) && last_axis_contiguous(sums), "rows of scores ",
               scores, " and sums must be contiguous");
  const i64 experts = scores.dim(1);
  for (i64 t = 0; t < scores.dim(0); ++t) {
    const float* s = scores.row(t);
    double total = 1e-20;
    for (i64 e = 0; e < experts; ++e) total += static_cast<double>(s[e]);
    const double factor = 1.0 / total;
    for (i64 e = 0; e < experts; ++e) sums(e) += static_cast<double>(s[e]) * factor;
  }
}

double router_entropy(Ctx& ctx, View<const float, 2> scores) {
  require_cpu(ctx, "router_entropy");
  const i64 tokens = scores.dim(0), experts = scores.dim(1);
  FATHOM_CHECK(last_axis_contiguous(scores), "rows of scores ", scores, " must be contiguous");
  Workspace::Scope scope(ctx.workspace());
  const auto sums = scope.alloc<float>(tokens, 2);
  const kernels::RouterEntropyArgs args{.scores = scores.data(),
                                        .scores_stride = scores.stride(0),
                                        .sums = sums.data(),
                                        .experts = experts};
  ctx.for_rows(tokens, 4 * experts,
               [&](i64 begin, i64 end) { ctx.isa().moe->router_entropy_rows(args, begin, end); });
  double total = 0.0;
  for (i64 t = 0; t < tokens; ++t) {
    const double sum = static_cast<double>(sums(t, 0)), sum_log = static_cast<double>(sums(t, 1));
    if (sum != 0.0) total += std::log(sum) - sum_log / sum;
  }
  return total;
}

void router_backward(Ctx& ctx, View<const float, 2> scores, View<const i32, 2> topk_indices,
                     View<const float, 2> dtopk_weights, const RouterOptions& options,
                     View<const float, 1> dnormalised, View<float, 2> dlogits) {
  require_cpu(ctx, "router_backward");
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
  check_indices(topk_indices, experts);
  const kernels::RouterBackwardArgs args{.scores = scores.data(),
                                         .scores_stride = scores.stride(0),
                                         .topk_indices = topk_indices.data(),
                                         .indices_stride = topk_indices.stride(0),
                                         .dtopk_weights = dtopk_weights.data(),
                                         .dweights_stride = dtopk_weights.stride(0),
                                         .dnormalised = dnormalised.data(),
                                         .dlogits = dlogits.data(),
                                         .dlogits_stride = dlogits.stride(0),
                                         .experts = experts,
                                         .topk = topk_indices.dim(1),
                                         .softmax = options.scoring_func == ScoringFunc::kSoftmax,
                                         .norm_topk_prob = options.norm_topk_prob,
                                         .routed_scaling_factor = options.routed_scaling_factor};
  ctx.for_rows(tokens, 4 * experts,
               [&](i64 begin, i64 end) { ctx.isa().moe->router_backward_rows(args, begin, end); });
}

}  // namespace fathom::ops
