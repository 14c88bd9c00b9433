#pragma once
// What activations and weights become when they are quantised. Scales and codes are f32 and bytes
// as kernels hold them; only their products are of type T.
#include <algorithm>
#include <cmath>

#include "tensor/bf16.h"
#include "tensor/fp8.h"
#include "tensor/view.h"

namespace fathom::kernels::ref {

/// The largest magnitude of rows and columns of x. A NaN does not count.
inline float largest_magnitude(View<const float, 2> x, i64 row, i64 rows, i64 col, i64 cols) {
  float amax = 0.0f;
  for (i64 r = row; r < std::min(x.dim(0), row + rows); ++r) {
    for (i64 c = col; c < std::min(x.dim(1), col + cols); ++c) {
      amax = std::fmax(amax, std::abs(x(r, c)));
    }
  }
  return amax;
}

/// The scale that takes `amax` to the largest number of E4M3.
inline float e4m3_scale(float amax, bool power_of_2) {
  const float scale = std::fmax(kFp8AmaxFloor, amax) / kE4m3Max;
  return power_of_2 ? ceil_to_power_of_two(scale) : scale;
}

/// q = round_e4m3(x / scale), one scale for each 128 x 128 numbers.
inline void quantize_blocks(View<const float, 2> x, bool power_of_2, View<Fp8E4M3, 2> q,
                            View<float, 2> scale) {
  for (i64 r = 0; r < scale.dim(0); ++r) {
    for (i64 c = 0; c < scale.dim(1); ++c) {
      const float amax = largest_magnitude(x, r * kFp8Block, kFp8Block, c * kFp8Block, kFp8Block);
      scale(r, c) = e4m3_scale(amax, power_of_2);
    }
  }
  for (i64 r = 0; r < x.dim(0); ++r) {
    for (i64 c = 0; c < x.dim(1); ++c) {
      q(r, c) = Fp8E4M3(x(r, c) / scale(r / kFp8Block, c / kFp8Block));
    }
  }
}

/// out = round_e4m3(x / scale) * scale, one scale for each 128 numbers of a row: activations as
/// products with FP8 weights see them.
template <typename T>
void quantize_tiles(View<const float, 2> x, bool power_of_2, View<T, 2> out) {
  for (i64 r = 0; r < x.dim(0); ++r) {
    for (i64 c = 0; c < x.dim(1); ++c) {
      const i64 tile = c / kFp8Block * kFp8Block;
      const float scale = e4m3_scale(largest_magnitude(x, r, 1, tile, kFp8Block), power_of_2);
      out(r, c) = T(float(Fp8E4M3(x(r, c) / scale))) * T(scale);
    }
  }
}

/// out = code * scale, scale = amax / 127 of each `group` numbers of a row, code the integer
/// nearest to x / scale: activations as products with packed integers see them.
template <typename T>
void quantize_int8_groups(View<const float, 2> x, i64 group, View<T, 2> out) {
  for (i64 r = 0; r < x.dim(0); ++r) {
    for (i64 c = 0; c < x.dim(1); ++c) {
      const float scale = largest_magnitude(x, r, 1, c / group * group, group) / 127.0f;
      const float inverse = scale > 0.0f ? 1.0f / scale : 0.0f;
      out(r, c) = T(std::nearbyint(x(r, c) * inverse)) * T(scale);
    }
  }
}

/// out = x rounded to BF16.
template <typename T>
void round_bf16(View<const float, 2> x, View<T, 2> out) {
  for (i64 r = 0; r < x.dim(0); ++r) {
    for (i64 c = 0; c < x.dim(1); ++c) out(r, c) = T(float(Bf16(x(r, c))));
  }
}

}  // namespace fathom::kernels::ref
