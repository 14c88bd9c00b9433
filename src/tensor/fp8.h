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

namespace narrow_float {

/// A float of few bits: a sign above `exponent_bits` and `mantissa_bits`. Codes are without sign.
struct Format {
  u32 exponent_bits, mantissa_bits;
  u32 bias;
  float max;
  u32 max_code, nan_code;

  constexpr u32 magnitude_bits() const { return exponent_bits + mantissa_bits; }
};

/// Rounds |value| to nearest even; the result is not yet checked against the format's maximum.
constexpr u32 round_magnitude(u32 f32_bits, const Format& format) {
  const u32 shift = 23 - format.mantissa_bits;
  const i32 exponent = static_cast<i32>(f32_bits >> 23) - 127;
  const i32 min_exponent = 1 - static_cast<i32>(format.bias);
  if (exponent >= min_exponent) {
    const u32 rounded = f32_bits + ((1u << (shift - 1)) - 1) + ((f32_bits >> shift) & 1u);
    return (rounded >> shift) - ((127u - format.bias) << format.mantissa_bits);
  }
  // Subnormal target: the integer number of steps of 2^(min_exponent - mantissa_bits).
  const i32 extra = min_exponent - exponent;
  // Below half of the smallest step.
  if (extra > static_cast<i32>(format.mantissa_bits) + 1) return 0;
  const u32 significand = (f32_bits & 0x7fffffu) | 0x800000u;
  const u32 total = shift + static_cast<u32>(extra);
  return (significand + ((1u << (total - 1)) - 1) + ((significand >> total) & 1u)) >> total;
}

/// Rounds to nearest even; saturates to +-max (as the DeepSeek quantisers do); NaN stays NaN.
constexpr u32 encode(float value, const Format& format) {
  const u32 word = std::bit_cast<u32>(value);
  const u32 sign = word >> 31 << format.magnitude_bits(), magnitude = word & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return sign | format.nan_code;
  if (magnitude >= std::bit_cast<u32>(format.max)) return sign | format.max_code;
  return sign | round_magnitude(magnitude, format);
}

/// Of a format without infinities, whose NaN has all magnitude bits set.
constexpr float decode_finite(u32 bits, const Format& format) {
  const u32 sign = bits >> format.magnitude_bits() << 31;
  const u32 magnitude = bits & ((1u << format.magnitude_bits()) - 1);
  const u32 exponent = magnitude >> format.mantissa_bits;
  const u32 mantissa = magnitude & ((1u << format.mantissa_bits) - 1);
  if (magnitude == format.nan_code) return std::bit_cast<float>(sign | 0x7fc00000u);
  const u32 exponent_offset = 127u - format.bias;
  if (exponent == 0) {
    const u32 step = (exponent_offset + 1 - format.mantissa_bits) << 23;
    const float value = static_cast<float>(mantissa) * std::bit_cast<float>(step);
    return sign != 0 ? -value : value;
  }
  return std::bit_cast<float>(sign | ((exponent + exponent_offset) << 23) |
                              (mantissa << (23 - format.mantissa_bits)));
}

inline constexpr Format kE4M3 = {.exponent_bits = 4,
                                 .mantissa_bits = 3,
                                 .bias = 7,
                                 .max = kE4m3Max,
                                 .max_code = 0x7e,
                                 .nan_code = 0x7f};
inline constexpr Format kE5M2 = {.exponent_bits = 5,
                                 .mantissa_bits = 2,
                                 .bias = 15,
                                 .max = kE5m2Max,
                                 .max_code = 0x7b,
                                 .nan_code = 0x7e};

}  // namespace narrow_float

struct Fp8E4M3 {
  u8 bits = 0;

  Fp8E4M3() = default;
  constexpr explicit Fp8E4M3(float value)
      : bits(static_cast<u8>(narrow_float::encode(value, narrow_float::kE4M3))) {}
  constexpr explicit operator float() const {
    return narrow_float::decode_finite(bits, narrow_float::kE4M3);
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
  constexpr explicit Fp8E5M2(float value)
      : bits(static_cast<u8>(narrow_float::encode(value, narrow_float::kE5M2))) {}
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
