#include "engine/sampling/log_probs.h"

#include <algorithm>

#include "ops/elementwise/elementwise.h"

namespace fathom::engine {

void fill_log_probs(Ctx& ctx, View<const float, 1> logits, i32 id, i64 num_top, Event& event) {
  const i64 vocab = logits.dim(0);
  double log_prob = 0.0;
  ops::token_log_probs(ctx, {logits.data(), {1, vocab}}, {&id, {1}}, {&log_prob, {1}});
  event.log_prob = log_prob;
  const double log_sum = static_cast<double>(logits(id)) - log_prob;
  event.num_top = std::min({num_top, kMaxTopLogProbs, vocab});
  if (event.num_top == 0) return;

  TopLogProb* const top = event.top.data();
  i64 count = 0;
  for (i64 at = 0; at < vocab; ++at) {
    // Equal logits have equal numbers: clients ask whether the token's own is the largest.
    const double candidate =
        logits(at) == logits(id) ? log_prob : static_cast<double>(logits(at)) - log_sum;
    if (count == event.num_top && !(candidate > top[count - 1].log_prob)) continue;
    i64 place = count < event.num_top ? count++ : count - 1;
    for (; place > 0 && candidate > top[place - 1].log_prob; --place) top[place] = top[place - 1];
    top[place] = {.id = static_cast<i32>(at), .log_prob = candidate};
  }
}

}  // namespace fathom::engine
