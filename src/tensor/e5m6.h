#pragma once
// E5M6, the 12-bit float in which DeepSeek-V3 keeps the input of o_proj (§3.3.3): E5M2's exponent
// with four more bits of mantissa. The report publishes the split of the bits alone; the rest is as
// in E4M3: bias 15, subnormals, no infinity, NaN where all magnitude bits are set.
//   max 129024 = 2^16 (1 + 62/64), min normal 2^-14, min subnormal 2^-20
#include <bit>

#include "base/types.h"
#include "tensor/fp8.h"

namespace fathom {

inline constexpr float kE5m6Max = 129024.0f;

struct E5M6 {
  u16 bits = 0;  // the lower 12

  E5M6() = default;
  /// Round to nearest even; saturates to +-129024; NaN stays NaN.
  constexpr explicit E5M6(float value) {
    const u32 word = std::bit_cast<u32>(value);
    const u32 sign = (word >> 20) & 0x800u, magnitude = word & 0x7fffffffu;
    if (magnitude > 0x7f800000u) {
      bits = static_cast<u16>(sign | 0x7ffu);
      return;
    }
    const u32 code = magnitude >= std::bit_cast<u32>(kE5m6Max)
                         ? 0x7feu
                         : fp8_detail::round_magnitude(magnitude, 6, 15);
    bits = static_cast<u16>(sign | code);
  }
  constexpr explicit operator float() const {
    const u32 sign = static_cast<u32>(bits & 0x800u) << 20;
    const u32 exponent = (bits >> 6) & 0x1fu, mantissa = bits & 0x3fu;
    if ((bits & 0x7ffu) == 0x7ffu) return std::bit_cast<float>(sign | 0x7fc00000u);
    if (exponent == 0) {
      const float magnitude = static_cast<float>(mantissa) * 0x1.0p-20f;
      return sign != 0 ? -magnitude : magnitude;
    }
    return std::bit_cast<float>(sign | ((exponent + 112u) << 23) | (mantissa << 17));
  }
  static constexpr E5M6 from_bits(u16 bits) {
    E5M6 result;
    result.bits = bits;
    return result;
  }
};
static_assert(sizeof(E5M6) == 2);

}  // namespace fathom
