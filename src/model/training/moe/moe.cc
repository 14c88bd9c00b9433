#include "model/training/moe/moe.h"

#include "model/training/moe/routed_experts.h"
#include "model/training/moe/router.h"
#include "ops/elementwise/elementwise.h"

namespace fathom::model::training {

namespace {

ExpertRows plan_rows(i64 experts, i64 topk, i64 tokens, i64 pairs, StoragePlan& plan) {
  return {.permuted = {.offsets = plan.array<i32>("routing", experts + 1),
                       .tokens = plan.array<i32>("routing", tokens * topk),
                       .slots = plan.array<i32>("routing", tokens * topk),
                       .row_of = plan.array<i32>("routing", tokens, topk)},
          .row_weights = plan.array<float>("routing", pairs)};
}

ArrivedTokens plan_arrived(const ModelConfig& config, const ExchangeRoom& room, StoragePlan& plan) {
  const i64 topk = config.num_experts_per_tok;
  return {
      .counts = {plan.array<i64>("exchange of tokens", room.ranks, room.rounds, room.places, 2)},
      .x = plan.matrix("arrived tokens", received_format(room.wire), room.rows, config.hidden_size),
      .routing = {.kept = plan.array<i32>("exchange of tokens", room.rows, topk),
                  .weights = plan.array<float>("exchange of tokens", room.rows, topk),
                  .passed_on = plan.array<i32>("exchange of tokens", room.passed_on, topk)},
      .rows = plan_rows(room.experts, topk, room.rows, room.pairs, plan)};
}

SavedMatrix alloc_arrived(const TrainStep& step, i64 rows, Workspace::Scope& scope) {
  const SavedFormat format = received_format(step.exchange->wire());
  const i64 cols = step.config.hidden_size;
  return ops::saved_matrix_at(scope.alloc<u8>(ops::saved_matrix_bytes(format, rows, cols)).data(),
                              format, rows, cols);
}

}  // namespace

MoeSaved plan_moe(const PassShape& shape, i64 tokens, StoragePlan& plan) {
  const auto& [config, recipe, precision, room] = shape;
  const i64 experts = config.n_routed_experts, topk = config.num_experts_per_tok;
  const i64 width = config.moe_intermediate_size;
  const i64 rows = room == nullptr ? tokens * topk : room->pairs;
  MoeSaved saved;
  saved.scores = plan.array<float>("router scores", tokens, experts);
  saved.chosen = plan.array<i32>("routing", tokens, topk);
  saved.kept = recipe.balance.capacity_factor > 0.0 ? plan.array<i32>("routing", tokens, topk)
                                                    : saved.chosen;
  saved.weights = plan.array<float>("routing", tokens, topk);
  saved.own = plan_rows(experts, topk, tokens, tokens * topk, plan);
  if (room != nullptr) saved.arrived = plan_arrived(config, *room, plan);
  saved.experts =
      plan_ffn(recipe.recompute, precision, precision.expert_hidden(), rows, width, plan);
  if (config.n_shared_experts > 0) {
    saved.shared_experts = plan_ffn(recipe.recompute, precision, precision.expert_hidden(), tokens,
                                    config.n_shared_experts * width, plan);
  }
  return saved;
}

MoeBackward alloc_moe_backward(const TrainStep& step, const TrainingMoeWeights& w,
                               const MoeSaved& saved, Workspace::Scope& scope) {
  const i64 rows = num_expert_rows(step, saved), width = step.config.moe_intermediate_size;
  MoeBackward b;
  b.routed.experts = {.dgate = scope.alloc<float>(rows, width),
                      .dup = scope.alloc<float>(rows, width),
                      .activation = scope.alloc<float>(rows, width)};
  if (step.exchange != nullptr) {
    b.routed.arrived_dy = alloc_arrived(step, num_expert_tokens(step, saved), scope);
  }
  if (w.shared_experts) {
    b.shared_experts = alloc_ffn_backward(step, scope, w.shared_experts->gate_proj->out);
  }
  b.dlogits = scope.alloc<float>(step.tokens(), w.gate->out);
  return b;
}

void moe_training_forward(const TrainStep& step, const TrainingMoeWeights& w,
                          View<const float, 2> x, View<float, 2> y, const MoeSaved& saved) {
  router_training_forward(step, w, x, saved);
  routed_experts_forward(step, w, x, y, saved);
  if (w.shared_experts) {
    Workspace::Scope scratch(step.ctx.workspace());
    const auto shared = scratch.alloc<float>(x.dim(0), x.dim(1));
    ffn_training_forward(step, *w.shared_experts, x, shared, saved.shared_experts);
    ops::add_inplace(step.ctx, y, shared);
  }
}

void moe_backward_input(const TrainStep& step, const TrainingMoeWeights& w, View<const float, 2> dy,
                        const MoeSaved& saved, View<const float, 2> dnormalised,
                        const MoeBackward& b, View<float, 2> dx) {
  Workspace::Scope scratch(step.ctx.workspace());
  const auto dweights = scratch.alloc<float>(step.tokens(), saved.weights.dim(1));
  routed_experts_backward_input(step, w, dy, saved, b.routed, dweights, dx);
  if (w.shared_experts) {
    ffn_backward_input(step, *w.shared_experts, dy, saved.shared_experts, b.shared_experts, dx,
                       Into::kAccumulate);
  }
  // A dropped pair's dweights is 0. The router's gradient still counts the pair among the chosen,
  // since it took part in the normalisation of the others.
  router_backward_input(step, w, saved, dweights, dnormalised, b.dlogits, dx);
}

void moe_backward_weight(const TrainStep& step, const TrainingMoeWeights& w,
                         View<const float, 2> dy, const ops::PackSource& x, const MoeSaved& saved,
                         const MoeBackward& b, const MoeGrads& grads) {
  routed_experts_backward_weight(step, w, dy, x, saved, b.routed, grads.experts);
  if (w.shared_experts) {
    ffn_backward_weight(step, *w.shared_experts, dy, x, saved.shared_experts, b.shared_experts,
                        *grads.shared_experts);
  }
  linear_backward_weight(step, b.dlogits, *w.gate, x, grads.gate);
}

}  // namespace fathom::model::training
