#include "model/training/moe/router.h"

#include <algorithm>

#include "model/moe.h"
#include "model/training/moe/routed_experts.h"
#include "model/training/moe/token_dropping.h"
#include "ops/rows.h"

namespace fathom::model::training {
namespace {

/// kept = chosen, -1 where capacity drops a pair; returns how many.
i64 apply_capacity(const TrainStep& step, View<const float, 2> scores, View<const i32, 2> chosen,
                   View<i32, 2> kept) {
  if (step.drop_tokens) return drop_tokens(step, scores, chosen, kept);
  if (kept.data() != chosen.data()) ops::copy_ids(step.ctx, chosen, kept);
  return 0;
}

/// fn(first row, rows) of the tokens that are no padding.
template <typename Fn>
void for_text_rows(const TrainStep& step, Fn&& fn) {
  if (step.lengths.empty()) return fn(i64{0}, step.tokens());
  for (i64 s = 0; s < step.sequences; ++s) {
    if (step.length(s) > 0) fn(s * step.seq_len, step.length(s));
  }
}

void add_statistics(const TrainStep& step, i64 moe_layer, View<const float, 2> scores,
                    View<const i32, 2> chosen, i64 dropped) {
  if (step.stats != nullptr) step.stats->dropped += dropped;
  for_text_rows(step, [&](i64 first, i64 rows) {
    const auto of_rows = [&](auto view) { return view.slice(0, first, rows); };
    if (step.stats != nullptr) {
      const size_t layer = static_cast<size_t>(moe_layer);
      auto& counts = step.stats->expert_counts[layer];
      ops::count_experts(step.ctx, of_rows(chosen), {counts.data(), {std::ssize(counts)}});
      step.stats->router_entropy[layer] += ops::router_entropy(step.ctx, of_rows(scores));
    }
    if (!step.raw_counts.empty()) {
      ops::count_raw_topk(step.ctx, of_rows(scores), chosen.dim(1), step.raw_counts[moe_layer]);
    }
  });
}

/// g_i of given experts, as moe_route makes them of those that it chooses: V3 eq. (13).
void weigh_chosen(const ops::RouterOptions& options, const float* scores, View<const i32, 1> chosen,
                  float* weights) {
  float sum = 0.0f;
  for (i64 j = 0; j < chosen.dim(0); ++j) {
    FATHOM_CHECK(chosen(j) >= 0, "replayed expert ", chosen(j));
    weights[j] = scores[chosen(j)];
    sum += weights[j];
  }
  const float divisor = options.norm_topk_prob ? sum + 1e-20f : 1.0f;
  for (i64 j = 0; j < chosen.dim(0); ++j) {
    weights[j] = weights[j] / divisor * options.routed_scaling_factor;
  }
}

/// Counts where the routes of step.routes differ from `chosen`, and puts them there if they apply.
void replay_routes(const TrainStep& step, i64 moe_layer, View<const float, 2> scores,
                   View<i32, 2> chosen, View<float, 2> weights) {
  RouteReplay* const routes = step.routes;
  if (routes == nullptr || moe_layer >= routes->chosen.dim(0)) return;
  const i64 topk = chosen.dim(1), experts = scores.dim(1);
  FATHOM_CHECK(routes->chosen.dim(1) == chosen.dim(0) && routes->chosen.dim(2) == topk, "routes ",
               routes->chosen, " vs chosen ", chosen);
  routes->changed.resize(static_cast<size_t>(routes->chosen.dim(0)));
  const ops::RouterOptions options = router_options(step.config);
  for (i64 t = 0; t < chosen.dim(0); ++t) {
    const View<const i32, 1> wanted = routes->chosen[moe_layer][t];
    if (wanted(0) < 0) continue;
    i32* const row = chosen.row(t);
    i64 changed = 0;
    for (i64 j = 0; j < topk; ++j) {
      FATHOM_CHECK(wanted(j) < experts, "replayed expert ", wanted(j), " of ", experts);
      changed += std::find(row, row + topk, wanted(j)) == row + topk ? 1 : 0;
    }
    routes->changed[static_cast<size_t>(moe_layer)] += changed;
    if (moe_layer == 0) routes->pairs += topk;
    if (!routes->apply) continue;
    std::copy_n(wanted.data(), topk, row);
    weigh_chosen(options, scores.row(t), wanted, weights.row(t));
  }
}

}  // namespace

void router_training_forward(const TrainStep& step, const TrainingMoeWeights& w,
                             View<const float, 2> x, const MoeSaved& saved) {
  Ctx& ctx = step.ctx;
  const i64 tokens = step.tokens();
  const auto scores = saved.scores.slice(0, 0, tokens);
  const auto chosen = saved.chosen.slice(0, 0, tokens), kept = saved.kept.slice(0, 0, tokens);
  const auto weights = saved.weights.slice(0, 0, tokens);
  const ops::RouterOptions options = router_options(step.config);
  linear_training_forward(step, x, *w.gate, scores);  // logits
  ops::moe_route(ctx, scores, w.e_score_correction_bias, options, chosen, weights);
  ops::router_scores(ctx, scores, options.scoring_func, scores);
  replay_routes(step, w.moe_layer, scores, chosen, weights);
  const i64 dropped = apply_capacity(step, scores, chosen, kept);
  const ops::PermutedRows permuted = permuted_rows_of_step(step, saved.own.permuted);
  ops::group_by_expert(ctx, kept, permuted);
  ops::permute_weights(ctx, weights, permuted,
                       saved.own.row_weights.slice(0, 0, num_permuted_rows(permuted)));
  add_statistics(step, w.moe_layer, scores, chosen, dropped);
}

void router_backward_input(const TrainStep& step, const TrainingMoeWeights& w,
                           const MoeSaved& saved, View<const float, 2> dweights,
                           View<const float, 2> dnormalised, View<float, 2> dlogits,
                           View<float, 2> dx) {
  const ops::RouterOptions options = router_options(step.config);
  for (i64 sequence = 0; sequence < step.sequences; ++sequence) {
    const auto backward = [&](i64 first, i64 rows, View<const float, 1> balance) {
      if (rows == 0) return;
      const auto of_rows = [&](auto view) {
        return view.slice(0, sequence * step.seq_len + first, rows);
      };
      ops::router_backward(step.ctx, of_rows(saved.scores), of_rows(saved.chosen),
                           of_rows(dweights), options, balance, of_rows(dlogits));
    };
    const i64 text = step.length(sequence);
    backward(0, text, dnormalised.empty() ? View<const float, 1>{} : dnormalised[sequence]);
    backward(text, step.seq_len - text, {});  // padding has no part in the balance
  }
  linear_backward_input(step, dlogits, *w.gate, dx, Into::kAccumulate);
}

}  // namespace fathom::model::training
