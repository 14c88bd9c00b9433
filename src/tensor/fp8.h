#pragma once
// 8-bit floats of the FP8 recipe, and the power-of-two scale format of newer checkpoints.
//   E4M3 (fn)  bias 7,  max 448, min normal 2^-6, min subnormal 2^-9; no infinity, NaN = 0x7f/0xff
//   E5M2       bias 15, max 57344, infinities and NaNs as IEEE
//   UE8M0      value 2^(bits - 127), 255 = NaN
// Source: DeepSeek-V3 §3.3; OCP 8-bit floating point specification 1.0.
#include <bit>

#include "base/types.h"
#include "tensor/bf16.h"

namespace fathom {

inline constexpr float kE4m3Max = 448.0f;
inline constexpr float kE5m2Max = 57344.0f;
/// Floor of amax in the online quantiser, as DeepSeek's kernels have it.
inline constexpr float kFp8AmaxFloor = 1e-4f;
/// Elements of one activation tile, and rows and columns of one weight block.
inline constexpr i64 kFp8Block = 128;

namespace fp8_detail {

/// Rounds |value| to nearest even in a format with `mantissa_bits` and `bias`; the result is the
/// code without sign, not yet checked against the format's maximum.
constexpr u32 round_magnitude(u32 f32_bits, u32 mantissa_bits, u32 bias) {
  const u32 shift = 23 - mantissa_bits;
  const i32 exponent = static_cast<i32>(f32_bits >> 23) - 127;
  const i32 min_exponent = 1 - static_cast<i32>(bias);
  if (exponent >= min_exponent) {
    const u32 rounded = f32_bits + ((1u << (shift - 1)) - 1) + ((f32_bits >> shift) & 1u);
    return (rounded >> shift) - ((127u - bias) << mantissa_bits);
  }
  // Subnormal target: the integer number of steps of 2^(min_exponent - mantissa_bits).
  const i32 extra = min_exponent - exponent;
  if (extra > static_cast<i32>(mantissa_bits) + 1) return 0;  // below half of the smallest step
  const u32 significand = (f32_bits & 0x7fffffu) | 0x800000u;
  const u32 total = shift + static_cast<u32>(extra);
  return (significand + ((1u << (total - 1)) - 1) + ((significand >> total) & 1u)) >> total;
}

}  // namespace fp8_detail

struct Fp8E4M3 {
  u8 bits = 0;

  Fp8E4M3() = default;
  /// Round to nearest even; saturates to +-448 (as the DeepSeek quantisers do); NaN stays NaN.
  constexpr explicit Fp8E4M3(float value) {
    const u32 word = std::bit_cast<u32>(value);
    const u32 sign = (word >> 24) & 0x80u, magnitude = word & 0x7fffffffu;
    if (magnitude > 0x7f800000u) {
      bits = static_cast<u8>(sign | 0x7fu);
      return;
    }
    const u32 code = magnitude >= 0x43e00000u ? 0x7eu  // >= 448
                                              : fp8_detail::round_magnitude(magnitude, 3, 7);
    bits = static_cast<u8>(sign | code);
  }
  constexpr explicit operator float() const {
    const u32 sign = static_cast<u32>(bits & 0x80u) << 24;
    const u32 exponent = (bits >> 3) & 0xfu, mantissa = bits & 7u;
    if ((bits & 0x7fu) == 0x7fu) return std::bit_cast<float>(sign | 0x7fc00000u);
    if (exponent == 0) {
      const float magnitude = static_cast<float>(mantissa) * 0x1.0p-9f;
      return sign != 0 ? -magnitude : magnitude;
    }
    return std::bit_cast<float>(sign | ((exponent + 120u) << 23) | (mantissa << 20));
  }
  static constexpr Fp8E4M3 from_bits(u8 bits) {
    Fp8E4M3 result;
    result.bits = bits;
    return result;
  }
};
static_assert(sizeof(Fp8E4M3) == 1);

struct Fp8E5M2 {
  u8 bits = 0;

  Fp8E5M2() = default;
  /// Round to nearest even; saturates to +-57344; NaN stays NaN.
  constexpr explicit Fp8E5M2(float value) {
    const u32 word = std::bit_cast<u32>(value);
    const u32 sign = (word >> 24) & 0x80u, magnitude = word & 0x7fffffffu;
    if (magnitude > 0x7f800000u) {
      bits = static_cast<u8>(sign | 0x7eu);
      return;
    }
    const u32 code = magnitude >= 0x47600000u ? 0x7bu  // >= 57344
                                              : fp8_detail::round_magnitude(magnitude, 2, 15);
    bits = static_cast<u8>(sign | code);
  }
  constexpr explicit operator float() const {
    return f16_to_f32(static_cast<u16>(bits << 8));  // E5M2 is the upper byte of binary16
  }
  static constexpr Fp8E5M2 from_bits(u8 bits) {
    Fp8E5M2 result;
    result.bits = bits;
    return result;
  }
};
static_assert(sizeof(Fp8E5M2) == 1);

/// The smallest power of two >= value, as UE8M0 rounds a scale; `value` > 0 and finite.
constexpr float ceil_to_power_of_two(float value) {
  const u32 word = std::bit_cast<u32>(value);
  u32 exponent = (word >> 23) + ((word & 0x7fffffu) != 0 ? 1u : 0u);
  if (exponent < 1) exponent = 1;
  if (exponent > 254) exponent = 254;
  return std::bit_cast<float>(exponent << 23);
}

constexpr float ue8m0_to_f32(u8 bits) {
  if (bits == 255) return std::bit_cast<float>(0x7fc00000u);
  if (bits == 0) return 0x1.0p-127f;
  return std::bit_cast<float>(static_cast<u32>(bits) << 23);
}

}  // namespace fathom
