#pragma once
// bfloat16: the upper half of an f32. 1 sign, 8 exponent, 7 mantissa bits.
#include <bit>

#include "base/types.h"

namespace fathom {

struct Bf16 {
  u16 bits = 0;

  Bf16() = default;
  /// Round to nearest even; NaN stays NaN (quiet).
  constexpr explicit Bf16(float value) : bits(round(value)) {}
  constexpr explicit operator float() const {
    return std::bit_cast<float>(static_cast<u32>(bits) << 16);
  }
  static constexpr Bf16 from_bits(u16 bits) {
    Bf16 result;
    result.bits = bits;
    return result;
  }
  friend constexpr bool operator==(Bf16 a, Bf16 b) { return a.bits == b.bits; }

 private:
  static constexpr u16 round(float value) {
    const u32 word = std::bit_cast<u32>(value);
    if ((word & 0x7fffffffu) > 0x7f800000u) return static_cast<u16>((word >> 16) | 0x40u);
    return static_cast<u16>((word + 0x7fffu + ((word >> 16) & 1u)) >> 16);
  }
};
static_assert(sizeof(Bf16) == 2);

/// IEEE binary16, for reading files only.
constexpr float f16_to_f32(u16 bits) {
  const u32 sign = static_cast<u32>(bits & 0x8000u) << 16;
  const u32 exponent = (bits >> 10) & 0x1fu;
  const u32 mantissa = bits & 0x3ffu;
  if (exponent == 0x1f) return std::bit_cast<float>(sign | 0x7f800000u | (mantissa << 13));
  if (exponent == 0) {  // subnormal: mantissa * 2^-24
    const float magnitude = static_cast<float>(mantissa) * 0x1.0p-24f;
    return sign != 0 ? -magnitude : magnitude;
  }
  return std::bit_cast<float>(sign | ((exponent + 112u) << 23) | (mantissa << 13));
}

}  // namespace fathom
