#pragma once
// Vec without instruction-set flags: four lanes in the compiler's own vector type, which every
// target lowers to what it has (SSE2 on any x86-64). No fused multiply-add: fma rounds twice here.
// Included once, by the *_scalar.cc.
#include <cstdint>

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

using F4 = float __attribute__((vector_size(16)));
using I4 = int32_t __attribute__((vector_size(16)));

struct Vec {
  static constexpr int kLanes = 4;
  // Register tiles of the matrix product, weight rows x tokens, for 16 registers. Scaled ones hold
  // two accumulators a result; direct ones also decode their weights.
  static constexpr int kTileRows = 4, kTileTokens = 2;
  static constexpr int kScaledTileRows = 2, kScaledTileTokens = 2;
  static constexpr int kDirectScaledTileRows = 2, kDirectScaledTileTokens = 2;
  // Tile of the packed product: rows of a x panels of b.
  static constexpr int kPanelTileRows = 2, kPanelTilePanels = 1;
  F4 v;

  static Vec zero() { return {F4{}}; }
  static Vec set1(float x) { return {F4{x, x, x, x}}; }
  static Vec load(const float* p) {
    Vec r;
    __builtin_memcpy(&r.v, p, sizeof r.v);
    return r;
  }
  /// [p0 p0 p1 p1 ..] of kLanes / 2 numbers.
  static Vec load_twice(const float* p) { return {F4{p[0], p[0], p[1], p[1]}}; }
  static Vec load_bf16(const uint16_t* p) {
    return {reinterpret_cast<F4>(I4{p[0] << 16, p[1] << 16, p[2] << 16, p[3] << 16})};
  }
  static Vec load_e4m3(const uint8_t* p) {
    const I4 code = {p[0], p[1], p[2], p[3]};
    const I4 magnitude = code & 0x7f;
    // Normal: exponent + 120. Subnormal: (1 + m/8) 2^-6 - 2^-6, exact. 0x7f: NaN.
    const F4 normal = reinterpret_cast<F4>((magnitude << 20) + (120 << 23));
    const F4 shifted = reinterpret_cast<F4>((magnitude << 20) + (121 << 23));
    const F4 subnormal = shifted - set1(0x1p-6f).v;
    const I4 is_subnormal = magnitude < 8, is_nan = magnitude == 0x7f;
    const I4 bits = (is_subnormal & reinterpret_cast<I4>(subnormal)) |
                    (~is_subnormal & reinterpret_cast<I4>(normal)) | (is_nan & 0x7fc00000);
    return {reinterpret_cast<F4>(bits | ((code & 0x80) << 24))};
  }
  /// The next kLanes codes of a packed row: bytes, or nibbles with the lower one first.
  static Vec load_bytes(const uint8_t* p) {
    return {F4{static_cast<float>(p[0]), static_cast<float>(p[1]), static_cast<float>(p[2]),
               static_cast<float>(p[3])}};
  }
  static Vec load_nibbles(const uint8_t* p) {
    return {F4{static_cast<float>(p[0] & 15), static_cast<float>(p[0] >> 4),
               static_cast<float>(p[1] & 15), static_cast<float>(p[1] >> 4)}};
  }
  void store(float* p) const { __builtin_memcpy(p, &v, sizeof v); }
  void store_bf16(uint16_t* p) const {
    const I4 bits = reinterpret_cast<I4>(v);
    for (int i = 0; i < kLanes; ++i) {
      const uint32_t word = static_cast<uint32_t>(bits[i]);
      const uint32_t rounded = word + 0x7fffu + ((word >> 16) & 1u);
      const bool nan = (word & 0x7fffffffu) > 0x7f800000u;
      p[i] = static_cast<uint16_t>(nan ? (word >> 16) | 0x40u : rounded >> 16);
    }
  }
};

/// No half precision.
struct E4m3Halves {
  static constexpr bool kAvailable = false;
};

/// The lanes' bits.
using Words = I4;
inline Words words_of(Vec a) { return reinterpret_cast<Words>(a.v); }
inline Vec vec_of(Words a) { return {reinterpret_cast<F4>(a)}; }
/// The lower byte of each lane to p.
inline void store_bytes(Words a, uint8_t* p) {
  for (int i = 0; i < 4; ++i) p[i] = static_cast<uint8_t>(a[i]);
}
/// The lower 12 bits of each lane, packed: two lanes in three bytes, the first in the lower bits.
inline void store_12_bits(Words a, uint8_t* p) {
  for (int i = 0; i < 4; i += 2, p += 3) {
    const int pair = a[i] | a[i + 1] << 12;
    for (int byte = 0; byte < 3; ++byte) p[byte] = static_cast<uint8_t>(pair >> (8 * byte));
  }
}
/// The inverse.
inline Words load_12_bits(const uint8_t* p) {
  const int first = p[0] | p[1] << 8 | p[2] << 16, second = p[3] | p[4] << 8 | p[5] << 16;
  return Words{first & 0xfff, first >> 12, second & 0xfff, second >> 12};
}

inline Vec operator+(Vec a, Vec b) { return {a.v + b.v}; }
inline Vec operator-(Vec a, Vec b) { return {a.v - b.v}; }
inline Vec operator*(Vec a, Vec b) { return {a.v * b.v}; }
inline Vec operator/(Vec a, Vec b) { return {a.v / b.v}; }
inline Vec fma(Vec a, Vec b, Vec c) { return {a.v * b.v + c.v}; }

inline Vec select(I4 mask, Vec a, Vec b) {
  return {reinterpret_cast<F4>((mask & reinterpret_cast<I4>(a.v)) |
                               (~mask & reinterpret_cast<I4>(b.v)))};
}
/// a > b ? a : b, so b if either is NaN (what MAXPS does).
inline Vec max(Vec a, Vec b) { return select(a.v > b.v, a, b); }
inline Vec min(Vec a, Vec b) { return select(a.v < b.v, a, b); }
inline Vec abs(Vec a) { return {reinterpret_cast<F4>(reinterpret_cast<I4>(a.v) & 0x7fffffff)}; }
inline Vec sqrt(Vec a) {
  for (int i = 0; i < Vec::kLanes; ++i) a.v[i] = __builtin_sqrtf(a.v[i]);
  return a;
}
/// The first lane where a == b, or kLanes.
inline int first_equal(Vec a, Vec b) {
  int lane = 0;
  while (lane < Vec::kLanes && !(a.v[lane] == b.v[lane])) ++lane;
  return lane;
}
/// a = mantissa * 2^exponent, mantissa in [1, 2), for normal a > 0.
inline Vec split_exponent(Vec a, Vec* exponent) {
  const I4 bits = reinterpret_cast<I4>(a.v);
  exponent->v = __builtin_convertvector((bits >> 23) - 127, F4);
  return {reinterpret_cast<F4>((bits & 0x7fffff) | (127 << 23))};
}
/// [a1 a0 a3 a2 ..].
inline Vec swap_pairs(Vec a) { return {F4{a.v[1], a.v[0], a.v[3], a.v[2]}}; }
/// a < b ? x : y.
inline Vec select_less(Vec a, Vec b, Vec x, Vec y) { return select(a.v < b.v, x, y); }
/// Where a is NaN: a, else x.
inline Vec keep_nan(Vec a, Vec x) { return select(a.v != a.v, a, x); }
/// rows[i][j] becomes rows[j][i].
inline void transpose(Vec (&rows)[4]) {
  const Vec a = rows[0], b = rows[1], c = rows[2], d = rows[3];
  for (int j = 0; j < 4; ++j) rows[j].v = F4{a.v[j], b.v[j], c.v[j], d.v[j]};
}
inline float reduce_add(Vec a) { return (a.v[0] + a.v[2]) + (a.v[1] + a.v[3]); }
/// Four sums to out[0..3], each as reduce_add makes it.
inline void reduce_add4(Vec a, Vec b, Vec c, Vec d, float* out) {
  out[0] = reduce_add(a);
  out[1] = reduce_add(b);
  out[2] = reduce_add(c);
  out[3] = reduce_add(d);
}
inline float reduce_max(Vec a) {
  const float x = a.v[0] > a.v[1] ? a.v[0] : a.v[1], y = a.v[2] > a.v[3] ? a.v[2] : a.v[3];
  return x > y ? x : y;
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
