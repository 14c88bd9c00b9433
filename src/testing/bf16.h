#pragma once
// Numbers that are exact in BF16, so that a kernel's own rounding of them changes nothing.
#include "tensor/bf16.h"
#include "testing/tensor.h"

namespace fathom::testing {

inline Tensor<float> to_bf16(Tensor<float> x) {
  for (i64 i = 0; i < x.size(); ++i) x[i] = static_cast<float>(Bf16(x[i]));
  return x;
}

}  // namespace fathom::testing
