#pragma once
// Products of bytes, four to a 32-bit lane (VPDPBUSD): unsigned weights x signed activations,
// exact.
#include "kernels/cpu/isa/vec.h"

#if FATHOM_HAS_DOTS
#include <immintrin.h>

#include <cstdint>

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

struct DotInt8 {
  static constexpr bool kAvailable = true;
  static constexpr int kCodes = 64;
  struct Codes {
    __m512i v;
  };
  struct Acc {
    __m512i v;
  };

  static Acc zero() { return {_mm512_setzero_si512()}; }
  static Codes set1(char code) { return {_mm512_set1_epi8(code)}; }
  static Acc set_acc(int32_t sum) { return {_mm512_set1_epi32(sum)}; }
  static Codes load(const uint8_t* p) { return {_mm512_loadu_si512(p)}; }
  static Codes load(const int8_t* p) { return {_mm512_loadu_si512(p)}; }
  static void store(Codes c, uint8_t* p) { _mm512_storeu_si512(p, c.v); }
  static void store(Acc a, uint8_t* p) { _mm512_storeu_si512(p, a.v); }
  /// 16 integers of small size, held in f32, as bytes.
  static void store_codes(Vec codes, int8_t* p) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                     _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(codes.v)));
  }
  /// The even or the odd ones of 128 bytes.
  static Codes every_second(const int8_t* words, bool odd) {
    __m512i first = _mm512_loadu_si512(words), second = _mm512_loadu_si512(words + 64);
    if (odd) {
      first = _mm512_srli_epi16(first, 8);
      second = _mm512_srli_epi16(second, 8);
    }
    return {_mm512_inserti64x4(_mm512_castsi256_si512(_mm512_cvtepi16_epi8(first)),
                               _mm512_cvtepi16_epi8(second), 1)};
  }
  /// -2^power * sums.
  static Acc times_minus_power(Acc sums, int power) {
    return {_mm512_sub_epi32(_mm512_setzero_si512(),
                             _mm512_slli_epi32(sums.v, static_cast<unsigned>(power)))};
  }
  static Acc load_acc(const uint8_t* p) { return {_mm512_loadu_si512(p)}; }
  /// The first n < 64 bytes (none for n < 0), then zeros.
  static Codes load_partial(const uint8_t* p, int64_t n) {
    const uint64_t mask = n <= 0 ? 0 : n >= 64 ? ~uint64_t{0} : (uint64_t{1} << n) - 1;
    return {_mm512_maskz_loadu_epi8(mask, p)};
  }
  static Codes low_nibbles(Codes c) { return {_mm512_and_si512(c.v, _mm512_set1_epi8(15))}; }
  static Codes high_nibbles(Codes c) {
    return {_mm512_and_si512(_mm512_srli_epi16(c.v, 4), _mm512_set1_epi8(15))};
  }
  static Acc dot(Acc acc, Codes w, Codes x) { return {_mm512_dpbusd_epi32(acc.v, w.v, x.v)}; }

  /// kGroups scales, F16 or BF16, as f32, each in 16 / kGroups lanes. Only `count` of them are
  /// read; the rest are 0.
  template <int kGroups, bool kF16>
  static Vec spread_scales(const uint16_t* p, int64_t count) {
    uint64_t bits = 0;
    if (count >= kGroups) {
      __builtin_memcpy(&bits, p, 2 * kGroups);
    } else {
      for (int64_t i = 0; i < count; ++i) bits |= static_cast<uint64_t>(p[i]) << (16 * i);
    }
    if constexpr (kF16) {
      const __m512i lane = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
      const __m512i scale_of_lane = _mm512_srli_epi32(lane, kGroups == 4   ? 2
                                                            : kGroups == 2 ? 3
                                                                           : 4);
      const __m128 scales = _mm_cvtph_ps(_mm_cvtsi64_si128(static_cast<int64_t>(bits)));
      return {_mm512_permutexvar_ps(scale_of_lane, _mm512_castps128_ps512(scales))};
    }
    if constexpr (kGroups == 1) {
      return {_mm512_castsi512_ps(_mm512_set1_epi32(static_cast<int>(bits << 16)))};
    }
    // Scale k of the eight bytes to the upper half of its lanes: bytes 2k and 2k + 1.
    const __m512i order =
        _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_set_m128i(pick(1 * kGroups / 4), pick(0))),
                           _mm256_set_m128i(pick(3 * kGroups / 4), pick(2 * kGroups / 4)), 1);
    const __m512i all = _mm512_set1_epi64(static_cast<int64_t>(bits));
    return {_mm512_castsi512_ps(_mm512_shuffle_epi8(all, order))};
  }

 private:
  static __m128i pick(int k) {
    return _mm_set1_epi32(static_cast<int>(((2u * static_cast<unsigned>(k) + 1u) << 24) |
                                           (2u * static_cast<unsigned>(k) << 16) | 0x8080u));
  }
};
inline DotInt8::Acc operator+(DotInt8::Acc a, DotInt8::Acc b) {
  return {_mm512_add_epi32(a.v, b.v)};
}
inline Vec to_f32(DotInt8::Acc a) { return {_mm512_cvtepi32_ps(a.v)}; }

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA

#else  // numbers are widened and multiplied as f32

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

struct DotInt8 {
  static constexpr bool kAvailable = false;
};

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
#endif
