#pragma once
// E5M6, the 12-bit float in which DeepSeek-V3 keeps the input of o_proj (§3.3.3): E5M2's exponent
// with four more bits of mantissa. The report publishes the split of the bits alone; the rest is as
// in E4M3: bias 15, subnormals, no infinity, NaN where all magnitude bits are set.
//   max 129024 = 2^16 (1 + 62/64), min normal 2^-14, min subnormal 2^-20
#include "base/types.h"
#include "tensor/fp8.h"

namespace fathom {

inline constexpr float kE5m6Max = 129024.0f;

namespace narrow_float {

inline constexpr Format kE5M6 = {.exponent_bits = 5,
                                 .mantissa_bits = 6,
                                 .bias = 15,
                                 .max = kE5m6Max,
                                 .max_code = 0x7fe,
                                 .nan_code = 0x7ff};

}  // namespace narrow_float

struct E5M6 {
  u16 bits = 0;  // the lower 12

  E5M6() = default;
  constexpr explicit E5M6(float value)
      : bits(static_cast<u16>(narrow_float::encode(value, narrow_float::kE5M6))) {}
  constexpr explicit operator float() const {
    return narrow_float::decode_finite(bits, narrow_float::kE5M6);
  }
  static constexpr E5M6 from_bits(u16 bits) {
    E5M6 result;
    result.bits = bits;
    return result;
  }
};
static_assert(sizeof(E5M6) == 2);

}  // namespace fathom
