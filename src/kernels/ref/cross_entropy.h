#pragma once
#include <algorithm>
#include <cmath>

#include "tensor/view.h"

namespace fathom::kernels::ref {

/// sum_t -log softmax(logits[t])[targets[t]] over rows with a target >= 0.
template <typename T>
T cross_entropy(View<const T, 2> logits, View<const i32, 1> targets) {
  T loss = 0;
  for (i64 t = 0; t < logits.dim(0); ++t) {
    if (targets(t) < 0) continue;
    T largest = logits(t, 0), sum = 0;
    for (i64 v = 0; v < logits.dim(1); ++v) largest = std::max(largest, logits(t, v));
    for (i64 v = 0; v < logits.dim(1); ++v) sum += std::exp(logits(t, v) - largest);
    loss += std::log(sum) + largest - logits(t, targets(t));
  }
  return loss;
}

/// dlogits = grad_scale (softmax(logits) - onehot(target)), 0 in rows without target.
template <typename T>
void cross_entropy_backward(View<const T, 2> logits, View<const i32, 1> targets, T grad_scale,
                            View<T, 2> dlogits) {
  for (i64 t = 0; t < logits.dim(0); ++t) {
    T largest = logits(t, 0), sum = 0;
    for (i64 v = 0; v < logits.dim(1); ++v) largest = std::max(largest, logits(t, v));
    for (i64 v = 0; v < logits.dim(1); ++v) sum += std::exp(logits(t, v) - largest);
    for (i64 v = 0; v < logits.dim(1); ++v) {
      const T p = std::exp(logits(t, v) - largest) / sum;
      dlogits(t, v) = targets(t) < 0 ? T(0) : grad_scale * (p - (v == targets(t) ? T(1) : T(0)));
    }
  }
}

}  // namespace fathom::kernels::ref
