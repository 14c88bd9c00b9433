#include <algorithm>
#include <cmath>

#include "backend/cpu/table.h"
#include "backend/cpu/threads.h"
#include "kernels/cpu/isa/isa_table.h"
#include "kernels/cpu/moe/moe_table.h"

namespace fathom::backend::cpu {
namespace {

/// Parts of the tokens, each with scratch of its own.
i64 parts_of(View<const float, 2> scores) {
  return std::clamp<i64>(scores.dim(0) * scores.dim(1) / 4096, 1, num_threads());
}

void moe_route(Ctx& ctx, const device::MoeRoute& op) {
  const device::RouterOptions& o = op.options;
  const i64 tokens = op.logits.dim(0), experts = op.logits.dim(1), topk = op.topk_indices.dim(1);
  const bool groups = o.topk_method != TopkMethod::kGreedy;
  const kernels::MoeRouteArgs args{.logits = op.logits.data(),
                                   .logits_stride = op.logits.stride(0),
                                   .bias = op.bias.data(),
                                   .topk_indices = op.topk_indices.data(),
                                   .indices_stride = op.topk_indices.stride(0),
                                   .topk_weights = op.topk_weights.data(),
                                   .weights_stride = op.topk_weights.stride(0),
                                   .experts = experts,
                                   .topk = topk,
                                   .n_group = groups ? o.n_group : 1,
                                   .topk_group = groups ? o.topk_group : 1,
                                   .softmax = o.scoring_func == ScoringFunc::kSoftmax,
                                   .group_limited = groups && o.topk_group < o.n_group,
                                   .group_sum_top2 = o.topk_method == TopkMethod::kNoauxTc,
                                   .norm_topk_prob = o.norm_topk_prob,
                                   .routed_scaling_factor = o.routed_scaling_factor};
  const i64 parts = parts_of(op.logits);
  Workspace::Scope scope(ctx.workspace());
  const auto scratch = scope.alloc<float>(parts, 2 * experts + 2 * std::max(topk, args.topk_group));
  parallel_for(parts, 1, [&](i64 begin, i64 end) {
    for (i64 part = begin; part < end; ++part) {
      ctx.isa().moe->moe_route_rows(args, tokens * part / parts, tokens * (part + 1) / parts,
                                    scratch.row(part));
    }
  });
}

void router_scores(Ctx& ctx, const device::RouterScores& op) {
  const kernels::RouterScoresArgs args{.logits = op.logits.data(),
                                       .logits_stride = op.logits.stride(0),
                                       .scores = op.scores.data(),
                                       .scores_stride = op.scores.stride(0),
                                       .experts = op.logits.dim(1),
                                       .softmax = op.scoring_func == ScoringFunc::kSoftmax};
  for_rows(op.logits.dim(0), 4 * args.experts,
           [&](i64 begin, i64 end) { ctx.isa().moe->router_scores_rows(args, begin, end); });
}

void router_backward(Ctx& ctx, const device::RouterBackward& op) {
  const device::RouterOptions& o = op.options;
  const kernels::RouterBackwardArgs args{.scores = op.scores.data(),
                                         .scores_stride = op.scores.stride(0),
                                         .topk_indices = op.topk_indices.data(),
                                         .indices_stride = op.topk_indices.stride(0),
                                         .dtopk_weights = op.dtopk_weights.data(),
                                         .dweights_stride = op.dtopk_weights.stride(0),
                                         .dnormalised = op.dnormalised.data(),
                                         .dlogits = op.dlogits.data(),
                                         .dlogits_stride = op.dlogits.stride(0),
                                         .experts = op.scores.dim(1),
                                         .topk = op.topk_indices.dim(1),
                                         .softmax = o.scoring_func == ScoringFunc::kSoftmax,
                                         .norm_topk_prob = o.norm_topk_prob,
                                         .routed_scaling_factor = o.routed_scaling_factor};
  for_rows(op.scores.dim(0), 4 * args.experts,
           [&](i64 begin, i64 end) { ctx.isa().moe->router_backward_rows(args, begin, end); });
}

void count_experts(Ctx&, const device::CountExperts& op) {
  for (i64 t = 0; t < op.topk_indices.dim(0); ++t) {
    for (i64 j = 0; j < op.topk_indices.dim(1); ++j) {
      if (op.topk_indices(t, j) >= 0) ++op.counts(op.topk_indices(t, j));
    }
  }
}

void count_distinct_experts(Ctx& ctx, const device::CountDistinctExperts& op) {
  Workspace::Scope scope(ctx.workspace());
  const auto seen = scope.alloc<bool>(op.experts);
  std::fill_n(seen.data(), op.experts, false);
  for (i64 t = 0; t < op.topk_indices.dim(0); ++t) {
    for (i64 j = 0; j < op.topk_indices.dim(1); ++j) {
      if (op.topk_indices(t, j) >= 0) seen(op.topk_indices(t, j)) = true;
    }
  }
  *op.count = std::count(seen.data(), seen.data() + op.experts, true);
}

/// Each part counts by itself; sums of integers are the same in any order.
void count_raw_topk(Ctx& ctx, const device::CountRawTopk& op) {
  const i64 tokens = op.scores.dim(0), experts = op.scores.dim(1), parts = parts_of(op.scores);
  const kernels::CountTopkArgs args{.scores = op.scores.data(),
                                    .scores_stride = op.scores.stride(0),
                                    .experts = experts,
                                    .topk = op.topk};
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
    for (i64 e = 0; e < experts; ++e) op.counts(e) += part_counts(part, e);
  }
}

void sum_normalised_scores(Ctx&, const device::SumNormalisedScores& op) {
  const i64 experts = op.scores.dim(1);
  for (i64 t = 0; t < op.scores.dim(0); ++t) {
    const float* s = op.scores.row(t);
    double total = 1e-20;
    for (i64 e = 0; e < experts; ++e) total += static_cast<double>(s[e]);
    const double factor = 1.0 / total;
    for (i64 e = 0; e < experts; ++e) op.sums(e) += static_cast<double>(s[e]) * factor;
  }
}

void router_entropy(Ctx& ctx, const device::RouterEntropy& op) {
  const i64 tokens = op.scores.dim(0), experts = op.scores.dim(1);
  Workspace::Scope scope(ctx.workspace());
  const auto sums = scope.alloc<float>(tokens, 2);
  const kernels::RouterEntropyArgs args{.scores = op.scores.data(),
                                        .scores_stride = op.scores.stride(0),
                                        .sums = sums.data(),
                                        .experts = experts};
  for_rows(tokens, 4 * experts,
           [&](i64 begin, i64 end) { ctx.isa().moe->router_entropy_rows(args, begin, end); });
  double total = 0.0;
  for (i64 t = 0; t < tokens; ++t) {
    const double sum = static_cast<double>(sums(t, 0)), sum_log = static_cast<double>(sums(t, 1));
    if (sum != 0.0) total += std::log(sum) - sum_log / sum;
  }
  *op.entropy = total;
}

}  // namespace

void set_router(device::OpTable& table) {
  table.set(moe_route);
  table.set(router_scores);
  table.set(router_backward);
  table.set(count_experts);
  table.set(count_distinct_experts);
  table.set(count_raw_topk);
  table.set(sum_normalised_scores);
  table.set(router_entropy);
}

}  // namespace fathom::backend::cpu
