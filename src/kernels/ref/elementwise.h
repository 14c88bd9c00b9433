#pragma once
#include <cmath>

#include "tensor/view.h"

namespace fathom::kernels::ref {

/// y = silu(gate) * up, silu(z) = z / (1 + e^-z).
template <typename T>
void silu_mul_forward(View<const T, 2> gate, View<const T, 2> up, View<T, 2> y) {
  for (i64 t = 0; t < y.dim(0); ++t) {
    for (i64 i = 0; i < y.dim(1); ++i) {
      y(t, i) = gate(t, i) / (T(1) + std::exp(-gate(t, i))) * up(t, i);
    }
  }
}

/// dgate = dy up s (1 + gate (1 - s)), dup = dy gate s, s = 1 / (1 + e^-gate).
template <typename T>
void silu_mul_backward(View<const T, 2> dy, View<const T, 2> gate, View<const T, 2> up,
                       View<T, 2> dgate, View<T, 2> dup) {
  for (i64 t = 0; t < dy.dim(0); ++t) {
    for (i64 i = 0; i < dy.dim(1); ++i) {
      const T s = T(1) / (T(1) + std::exp(-gate(t, i)));
      dgate(t, i) = dy(t, i) * up(t, i) * s * (T(1) + gate(t, i) * (T(1) - s));
      dup(t, i) = dy(t, i) * gate(t, i) * s;
    }
  }
}

/// dtable[ids[t]] += dout[t]; ids below 0 are skipped.
template <typename T>
void embedding_backward(View<const T, 2> dout, View<const i32, 1> ids, View<T, 2> dtable) {
  for (i64 t = 0; t < dout.dim(0); ++t) {
    for (i64 i = 0; ids(t) >= 0 && i < dout.dim(1); ++i) dtable(ids(t), i) += dout(t, i);
  }
}

/// out[t] = log softmax(logits[t])[targets[t]].
template <typename T>
void token_log_probs(View<const T, 2> logits, View<const i32, 1> targets, View<double, 1> out) {
  for (i64 t = 0; t < logits.dim(0); ++t) {
    double largest = -INFINITY, sum = 0;
    for (i64 i = 0; i < logits.dim(1); ++i) {
      largest = std::fmax(largest, static_cast<double>(logits(t, i)));
    }
    for (i64 i = 0; i < logits.dim(1); ++i) {
      sum += std::exp(static_cast<double>(logits(t, i)) - largest);
    }
    out(t) = static_cast<double>(logits(t, targets(t))) - largest - std::log(sum);
  }
}

}  // namespace fathom::kernels::ref
