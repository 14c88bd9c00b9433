#include "model/training/layers/loss_head.h"

#include <algorithm>

#include "ops/loss/cross_entropy.h"

namespace fathom::model::training {

i64 head_chunk_tokens(i64 vocab, i64 tokens) {
  constexpr i64 kChunkFloats = i64{8} << 20;
  return std::min(tokens, std::max<i64>(128, kChunkFloats / vocab / 128 * 128));
}

HeadLoss head_loss(const TrainStep& step, const PackedLinear& w, View<const float, 2> hidden,
                   View<const i32, 1> targets, double target_weight, View<i32, 1> largest,
                   View<float, 2> dhidden, View<float, 2> dweight) {
  const i64 tokens = hidden.dim(0), rows = head_chunk_tokens(w.out, tokens);
  Workspace::Scope scratch(step.ctx.workspace());
  const auto all_logits = scratch.alloc<float>(rows, w.out);
  const auto all_nll = scratch.alloc<double>(rows);
  HeadLoss loss;
  for (i64 begin = 0; begin < tokens; begin += rows) {
    const i64 count = std::min(rows, tokens - begin);
    const auto x = hidden.slice(0, begin, count);
    const auto wanted = targets.slice(0, begin, count);
    const auto logits = all_logits.slice(0, 0, count);
    const auto nll = all_nll.slice(0, 0, count);
    linear_training_forward(step, x, w, logits);
    ops::cross_entropy_inplace(step.ctx, logits, wanted, static_cast<float>(target_weight), nll,
                               largest.empty() ? largest : largest.slice(0, begin, count));
    for (i64 t = 0; t < count; ++t) {
      loss.nll += nll(t);
      loss.targets += wanted(t) >= 0 ? 1 : 0;
    }
    if (dhidden.empty()) continue;
    linear_backward_input(step, logits, w, dhidden.slice(0, begin, count));
    linear_backward_weight(step, logits, w, ops::PackSource(x, /*transposed=*/true), dweight);
  }
  return loss;
}

void head_logits(const TrainStep& step, const PackedLinear& w, View<const float, 2> hidden,
                 View<float, 2> logits) {
  const i64 tokens = hidden.dim(0), rows = head_chunk_tokens(w.out, tokens);
  for (i64 begin = 0; begin < tokens; begin += rows) {
    const i64 count = std::min(rows, tokens - begin);
    linear_training_forward(step, hidden.slice(0, begin, count), w, logits.slice(0, begin, count));
  }
}

}  // namespace fathom::model::training
