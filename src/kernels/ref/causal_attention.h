#pragma once
// Causal attention over whole sequences and its gradients, written from the formulas. Fills whole
// rows of probabilities: for tests.
#include <cmath>
#include <vector>

#include "tensor/view.h"

namespace fathom::kernels::ref {

/// The operands as ops::CausalAttentionInputs names them; the rope views may be empty.
template <typename T>
struct CausalAttention {
  View<const T, 3> q, k, q_rope, k_rope, v;
  View<const i32, 1> first_key;
  i64 seq_len = 0;
  T scale = 1;

  i64 kv_head(i64 h) const { return h * k.dim(1) / q.dim(1); }
  i64 rope_head(i64 h) const { return h * k_rope.dim(1) / q.dim(1); }
  /// Rows of the keys that the query of row t sees: [begin, t].
  i64 first_row(i64 t) const {
    return t / seq_len * seq_len + (first_key.empty() ? 0 : i64{first_key(t)});
  }
};

/// scale * (q . k + q_rope . k_rope) of query t and key row s.
template <typename T>
T causal_attention_logit(const CausalAttention<T>& a, i64 t, i64 s, i64 h) {
  T dot = 0;
  for (i64 i = 0; i < a.q.dim(2); ++i) dot += a.q(t, h, i) * a.k(s, a.kv_head(h), i);
  for (i64 i = 0; !a.q_rope.empty() && i < a.q_rope.dim(2); ++i) {
    dot += a.q_rope(t, h, i) * a.k_rope(s, a.rope_head(h), i);
  }
  return a.scale * dot;
}

/// out[t, h] = sum_s exp(logit - lse) v[s],  lse[t, h] = log sum_s exp(logit).
template <typename T>
void causal_attention_forward(const CausalAttention<T>& a, View<T, 3> out, View<T, 2> lse) {
  for (i64 t = 0; t < a.q.dim(0); ++t) {
    for (i64 h = 0; h < a.q.dim(1); ++h) {
      const i64 first = a.first_row(t);
      std::vector<T> weight;
      T largest = -INFINITY, sum = 0;
      for (i64 s = first; s <= t; ++s) {
        weight.push_back(causal_attention_logit(a, t, s, h));
        largest = std::fmax(largest, weight.back());
      }
      for (T& w : weight) sum += w = std::exp(w - largest);
      lse(t, h) = largest + std::log(sum);
      for (i64 i = 0; i < a.v.dim(2); ++i) {
        T value = 0;
        for (i64 s = first; s <= t; ++s) {
          value += weight[static_cast<size_t>(s - first)] * a.v(s, a.kv_head(h), i);
        }
        out(t, h, i) = value / sum;
      }
    }
  }
}

/// Key and value gradients per query head, as ops::CausalAttentionGrads.
template <typename T>
struct CausalAttentionGrads {
  View<T, 3> dq, dk, dq_rope, dk_rope, dv;
};

/// With p = exp(logit - lse):  dv[s] += p dout[t],  ds = p (dout[t] . v[s] - dout[t] . out[t]),
/// dq[t] += scale ds k[s],  dk[s] += scale ds q[t]. The gradients hold zeros before.
template <typename T>
void causal_attention_backward(const CausalAttention<T>& a, View<const T, 3> out,
                               View<const T, 2> lse, View<const T, 3> dout,
                               const CausalAttentionGrads<T>& g) {
  for (i64 t = 0; t < a.q.dim(0); ++t) {
    for (i64 h = 0; h < a.q.dim(1); ++h) {
      T delta = 0;
      for (i64 i = 0; i < a.v.dim(2); ++i) delta += dout(t, h, i) * out(t, h, i);
      for (i64 s = a.first_row(t); s <= t; ++s) {
        const T p = std::exp(causal_attention_logit(a, t, s, h) - lse(t, h));
        T dp = 0;
        for (i64 i = 0; i < a.v.dim(2); ++i) {
          dp += dout(t, h, i) * a.v(s, a.kv_head(h), i);
          g.dv(s, h, i) += p * dout(t, h, i);
        }
        const T ds = a.scale * p * (dp - delta);
        for (i64 i = 0; i < a.q.dim(2); ++i) {
          g.dq(t, h, i) += ds * a.k(s, a.kv_head(h), i);
          g.dk(s, h, i) += ds * a.q(t, h, i);
        }
        for (i64 i = 0; !a.q_rope.empty() && i < a.q_rope.dim(2); ++i) {
          g.dq_rope(t, h, i) += ds * a.k_rope(s, a.rope_head(h), i);
          g.dk_rope(s, h, i) += ds * a.q_rope(t, h, i);
        }
      }
    }
  }
}

}  // namespace fathom::kernels::ref
