#pragma once
// Weights packed as integers: what their codes mean, and products with activations in INT8.
#include <vector>

#include "kernels/ref/linear.h"
#include "kernels/ref/quantize.h"
#include "tensor/mat_ref.h"

namespace fathom::kernels::ref {

/// A scale or a minimum of a group.
inline float group_number(DType dtype, u16 bits) {
  return dtype == DType::kF16 ? f16_to_f32(bits) : float(Bf16::from_bits(bits));
}

/// out [rows, cols]: the numbers that packed weights stand for, as tensor/mat_ref.h defines them.
template <typename T>
void decode_integers(const MatRef& w, View<T, 2> out) {
  const i64 per_word = 32 / w.bits;
  for (i64 r = 0; r < w.rows; ++r) {
    const u32* words = static_cast<const u32*>(w.data) + r * w.row_bytes() / 4;
    for (i64 c = 0; c < w.cols; ++c) {
      const u32 code = (words[c / per_word] >> (c % per_word * w.bits)) & ((1u << w.bits) - 1);
      const i64 group = r * w.group_stride + c / w.group_size;
      const T scale(group_number(w.group_dtype, w.group_scale[group]));
      out(r, c) = w.group_minimum == nullptr
                      ? T(static_cast<int>(code) - (1 << (w.bits - 1))) * scale
                      : T(static_cast<int>(code)) * scale +
                            T(group_number(w.group_dtype, w.group_minimum[group]));
    }
  }
}

/// y = x' w^T, x' the activations quantised to INT8 in the weights' groups.
template <typename T>
void integer_linear_forward(View<const float, 2> x, const MatRef& w, View<T, 2> y) {
  const i64 in = x.dim(1);
  std::vector<T> rounded(static_cast<size_t>(x.dim(0) * in)),
      weights(static_cast<size_t>(w.rows * in));
  const View<T, 2> x_int8(rounded.data(), {x.dim(0), in}), exact(weights.data(), {w.rows, in});
  quantize_int8_groups<T>(x, w.group_size, x_int8);
  decode_integers<T>(w, exact);
  linear_forward<T>(x_int8, exact, y);
}

}  // namespace fathom::kernels::ref
