#pragma once
// [tokens, heads, dim] as matrices.
#include "tensor/view.h"

namespace fathom::backend::cpu {

/// As [tokens * heads, dim]; ops/ has checked that the heads are equally spaced.
inline View<const float, 2> merged_heads(View<const float, 3> x) {
  return {x.data(), {x.dim(0) * x.dim(1), x.dim(2)}, {x.stride(1), 1}};
}

/// Head h: [tokens, dim].
inline View<float, 2> one_head(View<float, 3> y, i64 h) {
  return {y.data() + h * y.stride(1), {y.dim(0), y.dim(2)}, {y.stride(0), y.stride(2)}};
}

}  // namespace fathom::backend::cpu
