#include "model/training/layers/loss_head.h"

#include <algorithm>

#include "ops/elementwise/elementwise.h"
#include "ops/loss/cross_entropy.h"

namespace fathom::model {

void TokenObjective::differentiate(Ctx& ctx, i64 first, View<const i32, 1> targets,
                                   View<float, 2> logits, View<double, 1> nll,
                                   View<i32, 1> largest) {
  Workspace::Scope scratch(ctx.workspace());
  const auto scales = scratch.alloc<float>(logits.dim(0));
  const float inverse = static_cast<float>(1.0 / temperature());
  std::fill_n(scales.data(), scales.dim(0), inverse);
  if (inverse != 1.0f) ops::scale_rows_inplace(ctx, logits, scales);
  ops::cross_entropy_inplace(ctx, logits, targets, inverse, nll, largest);
  weigh(first, nll, scales);
  ops::scale_rows_inplace(ctx, logits, scales);
}

}  // namespace fathom::model

namespace fathom::model::training {

i64 head_chunk_tokens(i64 vocab, i64 tokens) {
  constexpr i64 kChunkFloats = i64{8} << 20;
  return std::min(tokens, std::max<i64>(128, kChunkFloats / vocab / 128 * 128));
}

namespace {

/// logits become the gradient of their loss; nll and largest as cross_entropy_inplace has them.
void loss_of_chunk(const TrainStep& step, const TargetWeights& weights, i64 begin,
                   View<float, 2> logits, View<const i32, 1> targets, View<double, 1> nll,
                   View<i32, 1> largest) {
  Ctx& ctx = step.ctx;
  if (weights.objective == nullptr) {
    ops::cross_entropy_inplace(ctx, logits, targets, static_cast<float>(weights.each), nll,
                               largest);
    return;
  }
  weights.objective->differentiate(ctx, begin, targets, logits, nll, largest);
}

}  // namespace

HeadLoss head_loss(const TrainStep& step, const PackedLinear& w, View<const float, 2> hidden,
                   View<const i32, 1> targets, const TargetWeights& weights, View<i32, 1> largest,
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
    loss_of_chunk(step, weights, begin, logits, wanted, nll,
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
