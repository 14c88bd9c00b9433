#pragma once
#include <algorithm>
#include <cmath>

#include "kernels/ref/moe.h"
#include "tensor/view.h"

namespace fathom::kernels::ref {

/// scores = sigmoid(logits) or softmax(logits).
template <typename T>
void router_scores(View<const T, 2> logits, bool softmax, View<T, 2> scores) {
  for (i64 t = 0; t < logits.dim(0); ++t) {
    T largest = logits(t, 0), sum = 0;
    for (i64 e = 0; e < logits.dim(1); ++e) largest = std::max(largest, logits(t, e));
    for (i64 e = 0; e < logits.dim(1); ++e) sum += std::exp(logits(t, e) - largest);
    for (i64 e = 0; e < logits.dim(1); ++e) {
      scores(t, e) = softmax ? std::exp(logits(t, e) - largest) / sum
                             : T(1) / (T(1) + std::exp(-logits(t, e)));
    }
  }
}

/// g_i = f s_i / (sum_I s + 1e-20), or f s_i, of choices that are given; 0 for a choice below 0.
template <typename T>
void chosen_weights(View<const T, 2> scores, View<const i32, 2> chosen, const RouterRule& rule,
                    View<T, 2> weights) {
  for (i64 t = 0; t < scores.dim(0); ++t) {
    T sum = 0;
    for (i64 j = 0; j < chosen.dim(1); ++j)
      sum += chosen(t, j) < 0 ? T(0) : scores(t, chosen(t, j));
    const T divisor = rule.norm_topk_prob ? sum + T(1e-20) : T(1);
    for (i64 j = 0; j < chosen.dim(1); ++j) {
      const T s = chosen(t, j) < 0 ? T(0) : scores(t, chosen(t, j));
      weights(t, j) = static_cast<T>(rule.routed_scaling_factor) * s / divisor;
    }
  }
}

/// sums[e] += sum_t s[t, e] / (sum s[t] + 1e-20).
template <typename T>
void sum_normalised_scores(View<const T, 2> scores, View<T, 1> sums) {
  for (i64 t = 0; t < scores.dim(0); ++t) {
    T sum = T(1e-20);
    for (i64 e = 0; e < scores.dim(1); ++e) sum += scores(t, e);
    for (i64 e = 0; e < scores.dim(1); ++e) sums(e) += scores(t, e) / sum;
  }
}

/// -sum s' log s', s' = s / sum s, summed over tokens.
template <typename T>
T router_entropy(View<const T, 2> scores) {
  T entropy = 0;
  for (i64 t = 0; t < scores.dim(0); ++t) {
    T sum = 0;
    for (i64 e = 0; e < scores.dim(1); ++e) sum += scores(t, e);
    for (i64 e = 0; e < scores.dim(1); ++e) {
      const T share = scores(t, e) / sum;
      if (share > T(0)) entropy -= share * std::log(share);
    }
  }
  return entropy;
}

/// ds = J_g^T dweights + J_{s'}^T dnormalised, then dlogits = J_score^T ds, by the Jacobians' own
/// definitions: a sum over every pair of experts.
template <typename T>
void router_backward(View<const T, 2> scores, View<const i32, 2> chosen, View<const T, 2> dweights,
                     const RouterRule& rule, View<const T, 1> dnormalised, View<T, 2> dlogits) {
  const i64 experts = scores.dim(1), topk = chosen.dim(1);
  const T factor = static_cast<T>(rule.routed_scaling_factor);
  for (i64 t = 0; t < scores.dim(0); ++t) {
    const auto s = scores[t];
    std::vector<T> ds(static_cast<size_t>(experts), T(0));
    T chosen_sum = T(1e-20), sum = T(1e-20);
    for (i64 j = 0; j < topk; ++j) chosen_sum += chosen(t, j) < 0 ? T(0) : s(chosen(t, j));
    for (i64 e = 0; e < experts; ++e) sum += s(e);
    for (i64 k = 0; k < experts; ++k) {
      T& d = ds[static_cast<size_t>(k)];
      bool is_chosen = false;
      for (i64 j = 0; j < topk; ++j) is_chosen = is_chosen || chosen(t, j) == k;
      for (i64 j = 0; is_chosen && j < topk; ++j) {  // d g_i / d s_k
        const i64 i = chosen(t, j);
        if (i < 0) continue;
        const T one = i == k ? T(1) : T(0);
        d += factor * dweights(t, j) *
             (rule.norm_topk_prob ? (one - s(i) / chosen_sum) / chosen_sum : one);
      }
      for (i64 e = 0; !dnormalised.empty() && e < experts; ++e) {  // d s'_e / d s_k
        d += dnormalised(e) * ((e == k ? T(1) : T(0)) - s(e) / sum) / sum;
      }
    }
    for (i64 k = 0; k < experts; ++k) {
      T d = 0;
      for (i64 e = 0; e < experts; ++e) {  // d s_e / d logit_k
        const T one = e == k ? T(1) : T(0);
        const T jacobian = rule.softmax ? s(e) * (one - s(k)) : one * s(k) * (T(1) - s(k));
        d += ds[static_cast<size_t>(e)] * jacobian;
      }
      dlogits(t, k) = d;
    }
  }
}

/// y[t] += sum_j weights[t, j] x[row_of[t, j]], dropped choices (-1) skipped.
template <typename T>
void combine_rows(View<const T, 2> x, View<const i32, 2> row_of, View<const T, 2> weights,
                  View<T, 2> y) {
  for (i64 t = 0; t < y.dim(0); ++t) {
    for (i64 j = 0; j < row_of.dim(1); ++j) {
      if (row_of(t, j) < 0) continue;
      for (i64 i = 0; i < y.dim(1); ++i) y(t, i) += weights(t, j) * x(row_of(t, j), i);
    }
  }
}

/// dx[p] = weights[t, j] dy[t], dweights[t, j] = dy[t] . x[p].
template <typename T>
void combine_rows_backward(View<const T, 2> dy, View<const T, 2> x, View<const i32, 2> row_of,
                           View<const T, 2> weights, View<T, 2> dx, View<T, 2> dweights) {
  for (i64 t = 0; t < dy.dim(0); ++t) {
    for (i64 j = 0; j < row_of.dim(1); ++j) {
      dweights(t, j) = 0;
      const i64 row = row_of(t, j);
      for (i64 i = 0; row >= 0 && i < dy.dim(1); ++i) {
        dx(row, i) = weights(t, j) * dy(t, i);
        dweights(t, j) += dy(t, i) * x(row, i);
      }
    }
  }
}

}  // namespace fathom::kernels::ref
