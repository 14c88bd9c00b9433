#pragma once
#include <cmath>
#include <vector>

#include "tensor/view.h"

namespace fathom::kernels::ref {

/// Absorbed MLA over cached rows [latent | rotated key], which all heads share:
/// out[t, h] = sum over rows s <= positions[t] of softmax_s(scale * (q_latent . latent_s +
/// q_rope . key_s)) latent_s.
template <typename T>
void latent_attention_forward(View<const T, 3> q_latent, View<const T, 3> q_rope,
                              View<const T, 2> cache, View<const i64, 1> positions, T scale,
                              View<T, 3> out) {
  const i64 rank = q_latent.dim(2), rope = q_rope.dim(2);
  for (i64 t = 0; t < q_latent.dim(0); ++t) {
    for (i64 h = 0; h < q_latent.dim(1); ++h) {
      std::vector<T> weight;
      T largest = -INFINITY, sum = 0;
      for (i64 s = 0; s <= positions(t); ++s) {
        T dot = 0;
        for (i64 i = 0; i < rank; ++i) dot += q_latent(t, h, i) * cache(s, i);
        for (i64 i = 0; i < rope; ++i) dot += q_rope(t, h, i) * cache(s, rank + i);
        weight.push_back(scale * dot);
        largest = std::fmax(largest, weight.back());
      }
      for (T& w : weight) sum += w = std::exp(w - largest);
      for (i64 i = 0; i < rank; ++i) {
        T value = 0;
        for (i64 s = 0; s <= positions(t); ++s)
          value += weight[static_cast<size_t>(s)] * cache(s, i);
        out(t, h, i) = value / sum;
      }
    }
  }
}

}  // namespace fathom::kernels::ref
