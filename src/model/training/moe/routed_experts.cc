#include "model/training/moe/routed_experts.h"

#include <fmt/format.h>

#include "base/error.h"
#include "model/training/memory/saved_activations.h"
#include "model/training/moe/expert_run.h"

namespace fathom::model::training {
namespace {

/// The experts of this rank, all of them without an exchange.
template <typename T>
std::span<const T> experts_here(const TrainStep& step, std::span<const T> all) {
  if (step.exchange == nullptr) return all;
  const ExpertExchange& exchange = *step.exchange;
  const i64 rank = exchange.rank();
  return all.subspan(static_cast<size_t>(exchange.first_expert(rank)),
                     static_cast<size_t>(exchange.experts_of(rank)));
}

ops::PermutedRows first_tokens(const ops::PermutedRows& stored, i64 tokens) {
  const i64 topk = stored.row_of.dim(1);
  return {.offsets = stored.offsets,
          .tokens = stored.tokens.slice(0, 0, tokens * topk),
          .slots = stored.slots.slice(0, 0, tokens * topk),
          .row_of = stored.row_of.slice(0, 0, tokens)};
}

/// What the experts of this rank run on: the step's own tokens, or those that arrived.
ExpertRun run_of(const TrainStep& step, const TrainingMoeWeights& w, const MoeSaved& saved) {
  const i64 tokens = num_expert_tokens(step, saved);
  const ExpertRows& rows = step.exchange == nullptr ? saved.own : saved.arrived.rows;
  ExpertRun run{.experts = experts_here<TrainingFfnWeights>(step, w.experts),
                .permuted = first_tokens(rows.permuted, tokens),
                .row_weights = {},
                .saved = &saved.experts};
  run.row_weights = rows.row_weights.slice(0, 0, run.rows());
  return run;
}

ExchangePass pass_of(const TrainStep& step, const MoeSaved& saved) {
  const i64 arrived = num_expert_tokens(step, saved);
  return {.counts = saved.arrived.counts,
          .kept = saved.kept.slice(0, 0, step.tokens()),
          .permuted = permuted_rows_of_step(step, saved.own.permuted),
          .arrived_kept = saved.arrived.routing.kept.slice(0, 0, arrived),
          .arrived_rows = first_tokens(saved.arrived.rows.permuted, arrived),
          .passed_on = saved.arrived.routing.passed_on};
}

/// Every rank sees every rank's load, so all of them refuse together.
void check_arrivals(const TrainStep& step, const MoeSaved& saved, i64 moe_layer) {
  const i64 budget = saved.arrived.rows.row_weights.dim(0);
  for (i64 rank = 0; rank < step.exchange->ranks(); ++rank) {
    const i64 pairs = saved.arrived.counts.pairs_to(rank);
    if (pairs <= budget) continue;
    throw Error(ErrorCode::kOutOfMemory,
                fmt::format("MoE layer {}: {} token-expert pairs go to rank {} of its expert "
                            "group, which has room for {}: raise parallel.expert_room or balance "
                            "the router",
                            moe_layer, pairs, rank, budget));
  }
}

void receive_tokens(const TrainStep& step, const TrainingMoeWeights& w, View<const float, 2> x,
                    const MoeSaved& saved) {
  const ArrivedTokens& arrived = saved.arrived;
  const auto kept = saved.kept.slice(0, 0, step.tokens());
  step.exchange->announce(step.ctx, kept, arrived.counts);
  check_arrivals(step, saved, w.moe_layer);
  const i64 rows = num_expert_tokens(step, saved);
  step.exchange->dispatch(step.ctx, arrived.counts, kept, saved.weights.slice(0, 0, step.tokens()),
                          x, first_rows(arrived.x, rows), arrived.routing);
  const ops::PermutedRows permuted = first_tokens(arrived.rows.permuted, rows);
  ops::group_by_expert(step.ctx, arrived.routing.kept.slice(0, 0, rows), permuted);
  ops::permute_weights(step.ctx, arrived.routing.weights.slice(0, 0, rows), permuted,
                       arrived.rows.row_weights.slice(0, 0, num_permuted_rows(permuted)));
}

}  // namespace

ops::PermutedRows permuted_rows_of_step(const TrainStep& step, const ops::PermutedRows& stored) {
  return first_tokens(stored, step.tokens());
}

i64 num_permuted_rows(const ops::PermutedRows& permuted) {
  return permuted.offsets(permuted.offsets.dim(0) - 1);
}

i64 num_expert_tokens(const TrainStep& step, const MoeSaved& saved) {
  if (step.exchange == nullptr) return step.tokens();
  return saved.arrived.counts.rows_to(step.exchange->rank());
}

i64 num_expert_rows(const TrainStep& step, const MoeSaved& saved) {
  return num_permuted_rows(step.exchange == nullptr ? saved.own.permuted
                                                    : saved.arrived.rows.permuted);
}

void routed_experts_forward(const TrainStep& step, const TrainingMoeWeights& w,
                            View<const float, 2> x, View<float, 2> y, const MoeSaved& saved) {
  if (step.exchange != nullptr) receive_tokens(step, w, x, saved);
  const ExpertRun run = run_of(step, w, saved);
  Workspace::Scope scratch(step.ctx.workspace());
  const auto out = scratch.alloc<float>(run.rows(), y.dim(1));
  if (step.exchange == nullptr) {
    experts_forward(step, run, x, out);
    ops::combine_rows(step.ctx, out, run.permuted, saved.kept.slice(0, 0, step.tokens()), {},
                      /*accumulate=*/false, y);
  } else {
    experts_forward(step, run,
                    ops::PackSource(first_rows(saved.arrived.x, run.permuted.row_of.dim(0))), out);
    step.exchange->combine(step.ctx, pass_of(step, saved), out, y);
  }
}

void routed_experts_backward_input(const TrainStep& step, const TrainingMoeWeights& w,
                                   View<const float, 2> dy, const MoeSaved& saved,
                                   const RoutedBackward& b, View<float, 2> dweights,
                                   View<float, 2> dx) {
  const ExpertRun run = run_of(step, w, saved);
  Workspace::Scope scratch(step.ctx.workspace());
  const auto drow_weights = scratch.alloc<float>(run.rows());
  const auto dx_rows = scratch.alloc<float>(run.rows(), dx.dim(1));
  if (step.exchange == nullptr) {
    experts_backward_input(step, run, dy, b.experts, drow_weights, dx_rows);
    ops::combine_rows(step.ctx, dx_rows, run.permuted, saved.kept.slice(0, 0, step.tokens()), {},
                      /*accumulate=*/false, dx);
    ops::unpermute_weights(step.ctx, drow_weights, run.permuted, dweights);
    return;
  }
  const ExchangePass pass = pass_of(step, saved);
  step.exchange->dispatch(step.ctx, pass.counts, pass.kept, {}, dy, b.arrived_dy,
                          {.passed_on = saved.arrived.routing.passed_on});
  experts_backward_input(step, run, ops::PackSource(b.arrived_dy), b.experts, drow_weights,
                         dx_rows);
  step.exchange->combine(step.ctx, pass, dx_rows, dx);
  step.exchange->return_pairs(step.ctx, pass, drow_weights, dweights);
}

void routed_experts_backward_weight(const TrainStep& step, const TrainingMoeWeights& w,
                                    View<const float, 2> dy, const ops::PackSource& x,
                                    const MoeSaved& saved, const RoutedBackward& b,
                                    std::span<const FfnGrads> grads) {
  const ExpertRun run = run_of(step, w, saved);
  const auto grads_here = experts_here<FfnGrads>(step, grads);
  if (step.exchange == nullptr) {
    experts_backward_weight(step, run, ops::PackSource(dy, /*transposed=*/true), x, b.experts,
                            grads_here);
    return;
  }
  const i64 rows = run.permuted.row_of.dim(0);
  experts_backward_weight(step, run, ops::PackSource(b.arrived_dy, /*transposed=*/true),
                          transposed_for_wgrad(saved.arrived.x, rows), b.experts, grads_here);
}

}  // namespace fathom::model::training
