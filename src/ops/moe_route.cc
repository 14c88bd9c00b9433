#include <algorithm>

#include "kernels/cpu/isa/isa_table.h"
#include "kernels/cpu/moe/moe_table.h"
#include "ops/checks.h"
#include "ops/moe.h"

namespace fathom::ops {
namespace {

void check_options(const RouterOptions& o, i64 experts, i64 topk, bool has_bias) {
  FATHOM_CHECK(topk >= 1 && topk <= experts, "topk ", topk, " of ", experts, " experts");
  FATHOM_CHECK(!has_bias || o.topk_method == TopkMethod::kNoauxTc,
               "a router bias belongs to topk_method noaux_tc");
  if (o.topk_method == TopkMethod::kGreedy) return;
  FATHOM_CHECK(o.n_group >= 1 && experts % o.n_group == 0, experts, " experts in ", o.n_group,
               " groups");
  FATHOM_CHECK(o.topk_group >= 1 && o.topk_group <= o.n_group &&
                   topk <= o.topk_group * (experts / o.n_group),
               "topk ", topk, " from ", o.topk_group, " of ", o.n_group, " groups of ", experts,
               " experts");
}

}  // namespace

void moe_route(Ctx& ctx, View<const float, 2> logits, View<const float, 1> bias,
               const RouterOptions& options, View<i32, 2> topk_indices,
               View<float, 2> topk_weights) {
  require_cpu(ctx, "moe_route");
  const i64 tokens = logits.dim(0), experts = logits.dim(1), topk = topk_indices.dim(1);
  FATHOM_CHECK(topk_indices.dims() == topk_weights.dims() && topk_indices.dim(0) == tokens,
               "topk_indices ", topk_indices, " and topk_weights ", topk_weights, " vs logits ",
               logits);
  FATHOM_CHECK(bias.empty() || bias.dim(0) == experts, "bias ", bias, " vs logits ", logits);
  FATHOM_CHECK(last_axis_contiguous(logits) && last_axis_contiguous(bias) &&
                   last_axis_contiguous(topk_indices) && last_axis_contiguous(topk_weights),
               "the last axis of logits ", logits, ", bias and the results must be contiguous");
  check_options(options, experts, topk, !bias.empty());

  const bool groups = options.topk_method != TopkMethod::kGreedy;
  const kernels::MoeRouteArgs args{.logits = logits.data(),
                                   .logits_stride = logits.stride(0),
                                   .bias = bias.data(),
                                   .topk_indices = topk_indices.data(),
                                   .indices_stride = topk_indices.stride(0),
                                   .topk_weights = topk_weights.data(),
                                   .weights_stride = topk_weights.stride(0),
                                   .experts = experts,
                                   .topk = topk,
                                   .n_group = groups ? options.n_group : 1,
                                   .topk_group = groups ? options.topk_group : 1,
                                   .softmax = options.scoring_func == ScoringFunc::kSoftmax,
                                   .group_limited = groups && options.topk_group < options.n_group,
                                   .group_sum_top2 = options.topk_method == TopkMethod::kNoauxTc,
                                   .norm_topk_prob = options.norm_topk_prob,
                                   .routed_scaling_factor = options.routed_scaling_factor};
  const i64 parts = std::clamp<i64>(tokens * experts / 4096, 1, num_threads());
  Workspace::Scope scope(ctx.workspace());
  const i64 scratch_floats = 2 * experts + 2 * std::max(topk, args.topk_group);
  const auto scratch = scope.alloc<float>(parts, scratch_floats);
  parallel_for(parts, 1, [&](i64 begin, i64 end) {
    for (i64 part = begin; part < end; ++part) {
      ctx.isa().moe->moe_route_rows(args, tokens * part / parts, tokens * (part + 1) / parts,
                                    scratch.row(part));
    }
  });
}

}  // namespace fathom::ops
