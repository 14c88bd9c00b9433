#include "posttrain/distill/distill_loss.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/parallel.h"
#include "posttrain/distill/divergence.h"

namespace fathom::posttrain {

double DistillLoss::differentiate(Row& row) const {
  const auto target = static_cast<size_t>(row.target);
  const double temperature = config_.temperature, own = config_.nll_weight;
  const size_t ids = std::min(static_cast<size_t>(num_ids_), row.logits.size());
  const auto log_probs = row.log_probs.first(ids);
  log_softmax(row.logits.first(ids), temperature, log_probs);
  std::ranges::fill(row.slopes, 0.0f);
  row.divergence = divergence(config_.divergence, config_.beta,
                              store_->token(rows_[static_cast<size_t>(row.position)]), log_probs,
                              row.slopes.first(ids));
  const auto share = static_cast<float>((1.0 - own) * temperature);
  for (float& slope : row.slopes) slope *= share;
  log_softmax(row.logits, 1.0, row.log_probs);
  if (own > 0.0) {
    for (size_t v = 0; v < row.slopes.size(); ++v) {
      row.slopes[v] += static_cast<float>(own) * std::exp(row.log_probs[v]);
    }
    row.slopes[target] -= static_cast<float>(own);
  }
  return -static_cast<double>(row.log_probs[target]);
}

void DistillLoss::differentiate(Ctx& ctx, i64 first, View<const i32, 1> targets,
                                View<float, 2> logits, View<double, 1> nll, View<i32, 1> largest) {
  const i64 tokens = logits.dim(0), vocab = logits.dim(1);
  FATHOM_CHECK(first + tokens <= std::ssize(rows_), first, " + ", tokens, " of ", rows_.size(),
               " positions");
  Workspace::Scope scratch(ctx.workspace());
  const auto log_probs = scratch.alloc<float>(tokens, vocab);
  const auto slopes = scratch.alloc<float>(tokens, vocab);
  const auto divergences = scratch.alloc<double>(tokens);
  const auto weights = scratch.alloc<float>(tokens);
  const auto row_of = [vocab](View<float, 2> of, i64 t) {
    return std::span(of.row(t), static_cast<size_t>(vocab));
  };
  parallel_for(tokens, i64{1}, [&](i64 begin, i64 end) {
    for (i64 t = begin; t < end; ++t) {
      nll(t) = divergences(t) = 0.0;
      if (!largest.empty()) largest(t) = -1;
      if (targets(t) < 0) continue;
      Row row{.position = first + t,
              .target = targets(t),
              .logits = row_of(logits, t),
              .log_probs = row_of(log_probs, t),
              .slopes = row_of(slopes, t)};
      if (!largest.empty()) {
        const auto most = std::ranges::max_element(row.logits);
        largest(t) = static_cast<i32>(most - row.logits.begin());
      }
      nll(t) = differentiate(row);
      divergences(t) = row.divergence;
    }
  });
  weights_->weigh(first, nll, weights);
  for (i64 t = 0; t < tokens; ++t) {
    if (targets(t) < 0) {
      std::fill_n(logits.row(t), vocab, 0.0f);
      continue;
    }
    divergence_ += divergences(t);
    ++targets_;
    for (i64 v = 0; v < vocab; ++v) logits(t, v) = weights(t) * slopes(t, v);
  }
}

}  // namespace fathom::posttrain
