#pragma once
#include <cmath>
#include <vector>

#include "tensor/view.h"

namespace fathom::kernels::ref {

/// out[t, h] = sum over keys s <= positions[t] of softmax_s(scale * (q . k_s + q_rope . k_rope_s))
/// v_s. Key heads are shared: head h reads head h * count / heads of each operand. Key 0 has
/// position 0. The rope views may be empty. A query that sees no key gives NaN.
template <typename T>
void attention_forward(View<const T, 3> q, View<const T, 3> k, View<const T, 3> q_rope,
                       View<const T, 3> k_rope, View<const T, 3> v, View<const i64, 1> positions,
                       T scale, View<T, 3> out) {
  const i64 heads = q.dim(1);
  for (i64 t = 0; t < q.dim(0); ++t) {
    for (i64 h = 0; h < heads; ++h) {
      const i64 kh = h * k.dim(1) / heads;
      std::vector<T> weight;
      T largest = -INFINITY, sum = 0;
      for (i64 s = 0; s < k.dim(0) && s <= positions(t); ++s) {
        T dot = 0;
        for (i64 i = 0; i < q.dim(2); ++i) dot += q(t, h, i) * k(s, kh, i);
        for (i64 i = 0; !q_rope.empty() && i < q_rope.dim(2); ++i) {
          dot += q_rope(t, h, i) * k_rope(s, h * k_rope.dim(1) / heads, i);
        }
        weight.push_back(scale * dot);
        largest = std::fmax(largest, weight.back());
      }
      for (T& w : weight) sum += w = std::exp(w - largest);
      for (i64 i = 0; i < v.dim(2); ++i) {
        T value = 0;
        for (size_t s = 0; s < weight.size(); ++s) {
          value += weight[s] * v(static_cast<i64>(s), kh, i);
        }
        out(t, h, i) = value / sum;
      }
    }
  }
}

}  // namespace fathom::kernels::ref
