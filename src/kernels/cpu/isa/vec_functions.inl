#pragma once
// What the kernels share: partial vectors, and functions built from Vec alone.
#include "kernels/cpu/isa/vec.h"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

using Size = decltype(sizeof(0));

constexpr int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }

/// How far ahead of a stream of weights memory is asked for what comes.
constexpr int64_t kPrefetchBytes = 4096;

/// The first n < kLanes elements at p, then `fill`.
inline Vec load_partial(const float* p, int64_t n, float fill = 0.0f) {
  float buffer[Vec::kLanes];
  for (int i = 0; i < Vec::kLanes; ++i) buffer[i] = i < n ? p[i] : fill;
  return Vec::load(buffer);
}
/// min(n, kLanes) elements at p, then `fill`. Loops step by kLanes and pass what is left.
inline Vec load_n(const float* p, int64_t n, float fill = 0.0f) {
  return n >= Vec::kLanes ? Vec::load(p) : load_partial(p, n, fill);
}
inline void store_partial(Vec v, float* p, int64_t n) {
  float buffer[Vec::kLanes];
  v.store(buffer);
  for (int64_t i = 0; i < n; ++i) p[i] = buffer[i];
}
inline void store_n(Vec v, float* p, int64_t n) {
  if (n >= Vec::kLanes) return v.store(p);
  store_partial(v, p, n);
}
inline void store_n(Vec v, uint16_t* p, int64_t n) {
  if (n >= Vec::kLanes) return v.store_bf16(p);
  uint16_t buffer[Vec::kLanes];
  v.store_bf16(buffer);
  for (int64_t i = 0; i < n; ++i) p[i] = buffer[i];
}

/// Stored elements by pointer type: float f32, uint16_t bf16, uint8_t E4M3.
inline Vec load_stored(const float* p) { return Vec::load(p); }
inline Vec load_stored(const uint16_t* p) { return Vec::load_bf16(p); }
inline Vec load_stored(const uint8_t* p) { return Vec::load_e4m3(p); }
template <typename Stored>
inline Vec load_stored_n(const Stored* p, int64_t n) {
  if (n >= Vec::kLanes) return load_stored(p);
  Stored buffer[Vec::kLanes];
  for (int i = 0; i < Vec::kLanes; ++i) buffer[i] = i < n ? p[i] : Stored{};
  return load_stored(buffer);
}

/// 2^n for integral n in [-126, 127].
inline Vec exp2_integral(Vec n) {
  return vec_of((__builtin_convertvector(n.v, Words) + 127) << 23);
}
/// |magnitude| with the sign of `sign`.
inline Vec copysign(Vec magnitude, Vec sign) {
  constexpr int32_t kSign = -0x7fffffff - 1;
  return vec_of((words_of(magnitude) & ~kSign) | (words_of(sign) & kSign));
}
/// 2^(e + 23 - kMantissaBits), e the exponent of a >= 0 but at least kLeastExponent: adding it and
/// subtracting it rounds a to the grid of a format with these mantissa bits and least normal.
template <int kMantissaBits, int kLeastExponent>
inline Vec grid_rounder(Vec a) {
  const Words exponent = words_of(a) & 0x7f800000;
  const Words least = Words{} + ((127 + kLeastExponent) << 23);
  return vec_of((exponent > least ? exponent : least) + ((23 - kMantissaBits) << 23));
}

/// e^x. Relative error below 2.5e-7 for x in [-86.6, 88.72]; 0 below (so e^-inf = 0), inf above,
/// NaN stays NaN. Argument reduction and polynomial of Cephes' expf; exact enough without fused
/// multiply-add because n * kLn2High is exact.
inline Vec exp(Vec x) {
  constexpr float kLog2E = 1.44269504f, kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
  constexpr float kRoundToInt = 0x1.8p23f, kLowest = -86.6f, kHighest = 89.0f;
  const Vec clamped = min(max(x, Vec::set1(kLowest)), Vec::set1(kHighest));
  const Vec shifted = fma(clamped, Vec::set1(kLog2E), Vec::set1(kRoundToInt));
  const Vec n = shifted - Vec::set1(kRoundToInt);
  const Vec r = fma(n, Vec::set1(-kLn2Low), fma(n, Vec::set1(-kLn2High), clamped));
  Vec p = Vec::set1(1.9875691500e-4f);
  p = fma(p, r, Vec::set1(1.3981999507e-3f));
  p = fma(p, r, Vec::set1(8.3334519073e-3f));
  p = fma(p, r, Vec::set1(4.1665795894e-2f));
  p = fma(p, r, Vec::set1(1.6666665459e-1f));
  p = fma(p, r, Vec::set1(5.0000001201e-1f));
  p = fma(p, r * r, r) + Vec::set1(1.0f);
  // 2^n as 2 * 2^(n-1): n reaches 128.
  const Vec scaled = p * Vec::set1(2.0f) * exp2_integral(n - Vec::set1(1.0f));
  return keep_nan(x, select_less(x, Vec::set1(kLowest), Vec::zero(), scaled));
}

/// Natural logarithm of normal x > 0, absolute error below 2e-7 plus 6e-8 of the result; NaN stays.
/// Cephes' logf.
inline Vec log(Vec x) {
  constexpr float kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f, kSqrt2 = 1.41421356f;
  Vec exponent;
  const Vec m = split_exponent(x, &exponent), one = Vec::set1(1.0f), half = Vec::set1(0.5f);
  const Vec upper = select_less(Vec::set1(kSqrt2), m, one, Vec::zero());
  const Vec n = exponent + upper;
  const Vec f = (m - upper * half * m) - one;  // in [1/sqrt 2 - 1, sqrt 2 - 1]
  constexpr float kTerms[] = {-1.1514610310e-1f, 1.1676998740e-1f,  -1.2420140846e-1f,
                              1.4249322787e-1f,  -1.6668057665e-1f, 2.0000714765e-1f,
                              -2.4999993993e-1f, 3.3333331174e-1f};
  Vec p = Vec::set1(7.0376836292e-2f);
  for (const float c : kTerms) p = fma(p, f, Vec::set1(c));
  const Vec square = f * f;
  const Vec tail = fma(n, Vec::set1(kLn2Low), fma(p, f * square, Vec::zero() - half * square));
  return keep_nan(x, fma(n, Vec::set1(kLn2High), f + tail));
}

/// silu(gate) * up
inline Vec silu_mul(Vec gate, Vec up) {
  return gate / (Vec::set1(1.0f) + exp(Vec::zero() - gate)) * up;
}

/// 1 / (1 + e^-x).
inline Vec sigmoid(Vec x) {
  const Vec one = Vec::set1(1.0f);
  return one / (one + exp(Vec::zero() - x));
}

/// One number, so that it equals its vector twin bit for bit.
inline float exp1(float x) {
  float lanes[Vec::kLanes];
  exp(Vec::set1(x)).store(lanes);
  return lanes[0];
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
