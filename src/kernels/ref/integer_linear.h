#pragma once
// Weights packed as integers: what their codes mean, and products with activations in INT8.
#include <vector>

#include "kernels/ref/linear.h"
#include "kernels/ref/quantize.h"

namespace fathom::kernels::ref {

/// w = (code - 2^(bits-1)) * scale. words [rows, ceil(cols * bits / 32)] hold 32 / bits codes each,
/// the first in the lowest bits; scale [rows, ceil(cols / group)].
template <typename T>
void decode_integers(View<const u32, 2> words, View<const Bf16, 2> scale, int bits, i64 group,
                     View<T, 2> w) {
  const i64 per_word = 32 / bits;
  for (i64 r = 0; r < w.dim(0); ++r) {
    for (i64 c = 0; c < w.dim(1); ++c) {
      const u32 code = (words(r, c / per_word) >> (c % per_word * bits)) & ((1u << bits) - 1);
      w(r, c) = T(static_cast<int>(code) - (1 << (bits - 1))) * T(float(scale(r, c / group)));
    }
  }
}

/// y = x' w^T, x' the activations quantised to INT8 in the weights' groups.
template <typename T>
void integer_linear_forward(View<const float, 2> x, View<const u32, 2> words,
                            View<const Bf16, 2> scale, int bits, i64 group, View<T, 2> y) {
  const i64 in = x.dim(1), out = words.dim(0);
  std::vector<T> rounded(static_cast<size_t>(x.dim(0) * in)),
      weights(static_cast<size_t>(out * in));
  const View<T, 2> x_int8(rounded.data(), {x.dim(0), in}), w(weights.data(), {out, in});
  quantize_int8_groups<T>(x, group, x_int8);
  decode_integers<T>(words, scale, bits, group, w);
  linear_forward<T>(x_int8, w, y);
}

}  // namespace fathom::kernels::ref
