#pragma once
// Rounding to the small formats, shared by the kernels that quantise. Values stay in f32 on the
// format's grid; codes are their stored bits.
#include "kernels/cpu/isa/vec_functions.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

constexpr float kE4m3Max = 448.0f, kE5m2Max = 57344.0f, kE5m6Max = 129024.0f;
constexpr float kAmaxFloor = 1e-4f;

/// Scales that take `amax` to the format's largest number; to a power of two they are rounded up.
/// An infinite amax gives an infinite scale.
inline Vec scales_of(Vec amax, float largest, bool power_of_2) {
  const Vec scale = max(amax, Vec::set1(kAmaxFloor)) / Vec::set1(largest);
  if (!power_of_2) return scale;
  const Words word = words_of(scale);
  return vec_of((word + 0x7fffff) & 0x7f800000);
}
inline float scale_of(float amax, float largest, bool power_of_2) {
  float lanes[Vec::kLanes];
  scales_of(Vec::set1(amax), largest, power_of_2).store(lanes);
  return lanes[0];
}

/// The largest |x| of n numbers, the larger of it and `amax`; a NaN does not count: its own
/// quotient keeps it.
inline Vec fold_amax(const float* x, int64_t n, Vec amax) {
  for (int64_t i = 0; i < n; i += Vec::kLanes) amax = max(abs(load_n(x + i, n - i)), amax);
  return amax;
}

/// v rounded to the nearest value of a format, ties to even, saturated to +-largest; NaN stays.
/// Adding and subtracting 2^(e + 23 - mantissa) drops all but the mantissa's bits of |v| < 2^(e+1),
/// where e is v's exponent or that of the least normal: the subnormal grid.
template <int kMantissaBits, int kLeastExponent>
inline Vec round_to_grid(Vec v, float largest) {
  const Vec magnitude = min(abs(v), Vec::set1(largest));
  const Vec rounder = grid_rounder<kMantissaBits, kLeastExponent>(magnitude);
  return keep_nan(v, copysign((magnitude + rounder) - rounder, v));
}
inline Vec round_to_e4m3(Vec v) { return round_to_grid<3, -6>(v, kE4m3Max); }
inline Vec round_to_e5m2(Vec v) { return round_to_grid<2, -14>(v, kE5m2Max); }
inline Vec round_to_e5m6(Vec v) { return round_to_grid<6, -14>(v, kE5m6Max); }

/// v rounded to the nearest BF16 number, ties to even; NaN stays.
inline Vec round_to_bf16(Vec v) {
  using Unsigned = uint32_t __attribute__((vector_size(sizeof(Words))));
  const Unsigned word = (Unsigned)words_of(v);
  const Unsigned rounded = (word + (0x7fffu + ((word >> 16) & 1u))) & 0xffff0000u;
  return keep_nan(v, vec_of((Words)rounded));
}

/// a where the mask is set, else b.
inline Words choose(Words mask, Words a, Words b) { return (mask & a) | (~mask & b); }

/// The code of a value on the grid of a format; NaN has all magnitude bits set. kWidth: bits.
template <int kWidth, int kMantissaBits, int kLeastExponent>
inline Words code_of(Vec v) {
  constexpr int kNan = (1 << (kWidth - 1)) - 1, kLeastNormal = (127 + kLeastExponent) << 23;
  const Words word = words_of(v), magnitude = word & 0x7fffffff;
  const Words normal =
      (magnitude >> (23 - kMantissaBits)) - ((126 + kLeastExponent) << kMantissaBits);
  // A subnormal is a multiple of the ulp of this number, so the sum's low bits count them.
  constexpr int kCounter = (127 + 23 + kLeastExponent - kMantissaBits) << 23;
  const Vec counter = vec_of(Words{} + kCounter);
  const Words subnormal = words_of(vec_of(magnitude) + counter) - kCounter;
  Words code = choose(magnitude < kLeastNormal, subnormal, normal);
  code = choose(magnitude > 0x7f800000, Words{} + kNan, code);
  return code | ((word >> (32 - kWidth)) & (1 << (kWidth - 1)));
}

/// The value of a code: the inverse.
template <int kWidth, int kMantissaBits, int kLeastExponent>
inline Vec value_of(Words code) {
  constexpr int kNan = (1 << (kWidth - 1)) - 1, kLeastNormal = (127 + kLeastExponent) << 23;
  const Words magnitude = code & kNan, shifted = magnitude << (23 - kMantissaBits);
  const Words normal = shifted + ((126 + kLeastExponent) << 23);
  // (1 + m) least - least is exact.
  const Vec least = vec_of(Words{} + kLeastNormal);
  const Words subnormal = words_of(vec_of(shifted + kLeastNormal) - least);
  Words word = choose(magnitude < (1 << kMantissaBits), subnormal, normal);
  word = choose(magnitude == kNan, Words{} + 0x7fc00000, word);
  return vec_of(word | ((code & (1 << (kWidth - 1))) << (32 - kWidth)));
}

/// The first min(n, kLanes) of v, E4M3 values, as codes.
inline void store_e4m3(Vec v, uint8_t* p, int64_t n) {
  const Words codes = code_of<8, 3, -6>(v);
  if (n >= Vec::kLanes) return store_bytes(codes, p);
  uint8_t buffer[Vec::kLanes];
  store_bytes(codes, buffer);
  for (int64_t i = 0; i < n; ++i) p[i] = buffer[i];
}

/// The same for E5M6, two codes in three bytes; an odd last code takes two.
inline void store_e5m6(Vec v, uint8_t* p, int64_t n) {
  const Words codes = code_of<12, 6, -14>(v);
  if (n >= Vec::kLanes) return store_12_bits(codes, p);
  uint8_t buffer[Vec::kLanes * 3 / 2];
  store_12_bits(codes, buffer);
  const int64_t bytes = (n * 12 + 7) / 8;
  for (int64_t i = 0; i < bytes; ++i) p[i] = buffer[i];
  if (n % 2 != 0) p[bytes - 1] &= 0xf;
}
/// The next min(n, kLanes) E5M6 numbers, then zeros.
inline Vec load_e5m6(const uint8_t* p, int64_t n) {
  if (n >= Vec::kLanes) return value_of<12, 6, -14>(load_12_bits(p));
  uint8_t buffer[Vec::kLanes * 3 / 2] = {};
  const int64_t bytes = (n * 12 + 7) / 8;
  for (int64_t i = 0; i < bytes; ++i) buffer[i] = p[i];
  return value_of<12, 6, -14>(load_12_bits(buffer));
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
