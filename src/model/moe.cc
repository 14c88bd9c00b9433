#include "model/moe.h"

#include "model/expert_ranks/expert_ranks.h"
#include "model/step_profile.h"
#include "ops/elementwise/elementwise.h"
#include "ops/moe/moe_train.h"

namespace fathom::model {

ops::RouterOptions router_options(const ModelConfig& config) {
  return {.scoring_func = config.scoring_func,
          .topk_method = config.topk_method,
          .n_group = config.n_group,
          .topk_group = config.topk_group,
          .norm_topk_prob = config.norm_topk_prob,
          .routed_scaling_factor = config.routed_scaling_factor};
}

namespace {

/// Into the caches that keep routes: what each new token chose.
void record_routes(const StepContext& step, i64 layer, View<const i32, 2> chosen) {
  for (const BatchSequence& sequence : step.sequences) {
    if (!sequence.cache->keeps_routes_of(layer)) continue;
    for (i64 t = 0; t < sequence.tokens; ++t) {
      sequence.cache->write_route(sequence.position_begin + t, layer,
                                  chosen[sequence.row_begin + t]);
    }
  }
}

}  // namespace

void moe_forward(const StepContext& step, const MoeWeights& w, i64 layer, View<const float, 2> x,
                 View<float, 2> y) {
  Ctx& ctx = step.ctx;
  const i64 tokens = x.dim(0), topk = step.config.num_experts_per_tok;
  Workspace::Scope scratch(ctx.workspace());
  const auto logits = scratch.alloc<float>(tokens, w.gate.rows);
  const auto topk_indices = scratch.alloc<i32>(tokens, topk);
  const auto topk_weights = scratch.alloc<float>(tokens, topk);
  ops::linear_forward(ctx, x, w.gate, logits, ops::Activations::kF32);
  ops::moe_route(ctx, logits, w.e_score_correction_bias, router_options(step.config), topk_indices,
                 topk_weights);
  record_routes(step, layer, topk_indices);
  if (step.options.profile != nullptr) {
    step.options.profile->experts_read +=
        ops::count_distinct_experts(ctx, topk_indices, w.gate.rows);
  }
  const ops::FfnWeights* shared = w.shared_experts ? &*w.shared_experts : nullptr;
  if (step.options.ranks != nullptr) {
    step.options.ranks->forward({layer, step.linear_mode()}, x, topk_indices, topk_weights, y);
    if (shared == nullptr) return;
    const auto shared_y = scratch.alloc<float>(tokens, x.dim(1));
    ops::ffn_forward(ctx, x, *shared, shared_y, step.linear_mode());
    return ops::add_inplace(ctx, y, shared_y);
  }
  ops::moe_experts_forward(ctx, x, w.experts, topk_indices, topk_weights, y, step.linear_mode(),
                           shared);
}

}  // namespace fathom::model
