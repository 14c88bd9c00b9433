#include "device/run.h"
#include "ops/checks.h"
#include "ops/moe/moe.h"

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
  const i64 tokens = logits.dim(0), experts = logits.dim(1), topk = topk_indices.dim(1);
  FATHOM_CHECK(topk_indices.dims() == topk_weights.dims() && topk_indices.dim(0) == tokens,
               "topk_indices ", topk_indices, " and topk_weights ", topk_weights, " vs logits ",
               logits);
  FATHOM_CHECK(bias.empty() || bias.dim(0) == experts, "bias ", bias, " vs logits ", logits);
  FATHOM_CHECK(last_axis_contiguous(logits) && last_axis_contiguous(bias) &&
                   last_axis_contiguous(topk_indices) && last_axis_contiguous(topk_weights),
               "the last axis of logits ", logits, ", bias and the results must be contiguous");
  check_options(options, experts, topk, !bias.empty());
  run(ctx, device::MoeRoute{.logits = logits,
                            .bias = bias,
                            .options = options,
                            .topk_indices = topk_indices,
                            .topk_weights = topk_weights});
}

}  // namespace fathom::ops
