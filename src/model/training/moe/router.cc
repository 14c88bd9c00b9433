#include "model/training/moe/router.h"

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

void add_statistics(const TrainStep& step, i64 moe_layer, View<const float, 2> scores,
                    View<const i32, 2> chosen, i64 dropped) {
  if (step.stats != nullptr) {
    const size_t layer = static_cast<size_t>(moe_layer);
    auto& counts = step.stats->expert_counts[layer];
    ops::count_experts(step.ctx, chosen, {counts.data(), {std::ssize(counts)}});
    step.stats->router_entropy[layer] += ops::router_entropy(step.ctx, scores);
    step.stats->dropped += dropped;
  }
  if (!step.raw_counts.empty()) {
    ops::count_raw_topk(step.ctx, scores, chosen.dim(1), step.raw_counts[moe_layer]);
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
    const i64 first = sequence * step.seq_len;
    const auto of_sequence = [&](auto view) { return view.slice(0, first, step.seq_len); };
    ops::router_backward(step.ctx, of_sequence(saved.scores), of_sequence(saved.chosen),
                         of_sequence(dweights), options,
                         dnormalised.empty() ? View<const float, 1>{} : dnormalised[sequence],
                         of_sequence(dlogits));
  }
  linear_backward_input(step, dlogits, *w.gate, dx, Into::kAccumulate);
}

}  // namespace fathom::model::training
