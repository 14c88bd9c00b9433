#include "model/training/moe/balance.h"

#include <algorithm>

#include "ops/moe/moe_train.h"

namespace fathom::model::training {
namespace {

/// One sequence's scores and choices, and where its gradient goes.
struct Sequence {
  View<const float, 2> scores;  // [seq_len, experts]
  View<const i32, 2> chosen;    // [seq_len, topk]
  View<double, 1> slope;        // [experts]  sum of weight * f / T over the losses
};

/// slope += factor * counts.
void add_counts(View<const i64, 1> counts, double factor, View<double, 1> slope) {
  for (i64 e = 0; e < slope.dim(0); ++e) slope(e) += factor * static_cast<double>(counts(e));
}

/// V2's losses, all from the choices that were made.
void add_v2_losses(const TrainStep& step, const Sequence& s) {
  const BalanceConfig& c = step.recipe.balance;
  const i64 experts = s.scores.dim(1), topk = s.chosen.dim(1), tokens = s.scores.dim(0);
  const i64 devices = c.num_devices, per_device = experts / devices;
  const double per_token = 1.0 / static_cast<double>(tokens);
  const double share = static_cast<double>(experts) / static_cast<double>(topk) * per_token;
  Workspace::Scope scratch(step.ctx.workspace());
  const auto counts = scratch.alloc<i64>(experts);
  std::fill_n(counts.data(), experts, i64{0});
  ops::count_experts(step.ctx, s.chosen, counts);
  add_counts(counts, c.expert_aux_loss_weight * share * per_token, s.slope);
  for (i64 d = 0; d < devices; ++d) {
    double chosen = 0.0;  // pairs on the device
    for (i64 e = d * per_device; e < (d + 1) * per_device; ++e) {
      chosen += static_cast<double>(counts(e));
    }
    i64 sent = 0;  // tokens with at least one expert there
    for (i64 t = 0; t < tokens; ++t) {
      const i32* row = s.chosen.row(t);
      sent += std::any_of(row, row + topk, [&](i32 e) { return e / per_device == d; }) ? 1 : 0;
    }
    const double f_device = share * chosen / static_cast<double>(per_device);
    const double f_comm = static_cast<double>(devices * sent) * per_token /
                          static_cast<double>(c.max_devices_per_token);
    const double slope =
        (c.device_aux_loss_weight * f_device + c.comm_aux_loss_weight * f_comm) * per_token;
    for (i64 e = d * per_device; e < (d + 1) * per_device; ++e) s.slope(e) += slope;
  }
}

void add_seq_aux(const TrainStep& step, const Sequence& s) {
  const i64 experts = s.scores.dim(1), topk = s.chosen.dim(1);
  const double tokens = static_cast<double>(s.scores.dim(0));
  Workspace::Scope scratch(step.ctx.workspace());
  const auto counts = scratch.alloc<i64>(experts);
  std::fill_n(counts.data(), experts, i64{0});
  ops::count_raw_topk(step.ctx, s.scores, topk, counts);
  add_counts(counts,
             step.recipe.balance.seq_aux_loss_weight * static_cast<double>(experts) /
                 (static_cast<double>(topk) * tokens * tokens),
             s.slope);
}

/// slope += alpha f_e / T of the whole step.
void add_batch_aux(const TrainStep& step, View<const i64, 1> counts, i64 topk,
                   View<double, 1> slope) {
  const double tokens = step.scale.sequences * static_cast<double>(step.seq_len);
  add_counts(counts,
             step.recipe.balance.batch_aux_loss_weight * static_cast<double>(slope.dim(0)) /
                 (static_cast<double>(topk) * tokens * tokens),
             slope);
}

}  // namespace

bool has_balance_loss(const BalanceConfig& c) {
  return c.seq_aux_loss_weight != 0.0 || c.batch_aux_loss_weight != 0.0 ||
         c.expert_aux_loss_weight != 0.0 || c.device_aux_loss_weight != 0.0 ||
         c.comm_aux_loss_weight != 0.0;
}

double balance_losses(const TrainStep& step, View<const float, 2> scores, View<const i32, 2> chosen,
                      i64 moe_layer, View<float, 2> dnormalised) {
  const BalanceConfig& c = step.recipe.balance;
  const i64 experts = scores.dim(1);
  const bool v2 = c.expert_aux_loss_weight != 0.0 || c.device_aux_loss_weight != 0.0 ||
                  c.comm_aux_loss_weight != 0.0;
  Workspace::Scope scratch(step.ctx.workspace());
  const auto slope = scratch.alloc<double>(experts);
  const auto sums = scratch.alloc<double>(experts);
  double loss = 0.0;
  for (i64 sequence = 0; sequence < step.sequences; ++sequence) {
    const i64 first = sequence * step.seq_len, tokens = step.length(sequence);
    const Sequence s{.scores = scores.slice(0, first, tokens),
                     .chosen = chosen.slice(0, first, tokens),
                     .slope = slope};
    if (tokens == 0) {
      std::fill_n(dnormalised.row(sequence), experts, 0.0f);
      continue;
    }
    std::fill_n(slope.data(), experts, 0.0);
    std::fill_n(sums.data(), experts, 0.0);
    if (c.seq_aux_loss_weight != 0.0) add_seq_aux(step, s);
    if (v2) add_v2_losses(step, s);
    for (i64 e = 0; e < experts; ++e) slope(e) /= step.scale.sequences;  // a mean over sequences
    if (!step.batch_counts.empty()) {
      add_batch_aux(step, step.batch_counts[moe_layer], chosen.dim(1), slope);
    }
    // Every loss is linear in P: its value is its slope times sum_t s'.
    ops::sum_normalised_scores(step.ctx, s.scores, sums);
    for (i64 e = 0; e < experts; ++e) {
      loss += slope(e) * sums(e);
      dnormalised(sequence, e) = static_cast<float>(slope(e));
    }
  }
  return loss;
}

}  // namespace fathom::model::training
