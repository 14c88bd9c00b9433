#pragma once
#include <cstdint>

namespace fathom::kernels {

/// Rotates pairs of channels by the angle whose cosine and sine are given.
struct RopeForwardArgs {
  float* x;  // [tokens, heads, 2*pairs]  in place, last axis contiguous
  int64_t token_stride;
  int64_t head_stride;
  const float* cos;  // [tokens, pairs]
  const float* sin;  // [tokens, pairs]
  int64_t heads;
  int64_t pairs;
  bool halves;   // pair i is (i, i + pairs), else (2i, 2i + 1)
  bool inverse;  // rotate by the negative angle: the gradient
};

}  // namespace fathom::kernels
