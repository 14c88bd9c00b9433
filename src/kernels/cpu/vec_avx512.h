#pragma once
// Vec for AVX-512 F, BW, DQ, VL: sixteen lanes.
#include <immintrin.h>

#include <cstdint>

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

struct Vec {
  static constexpr int kLanes = 16;
  // Register tiles of the matrix product, weight rows x tokens, for 32 registers. Scaled ones hold
  // two accumulators a result; direct ones also decode their weights.
  static constexpr int kTileRows = 4, kTileTokens = 6;
  static constexpr int kScaledTileRows = 4, kScaledTileTokens = 3;
  static constexpr int kDirectScaledTileRows = 2, kDirectScaledTileTokens = 4;
  __m512 v;

  static Vec zero() { return {_mm512_setzero_ps()}; }
  static Vec set1(float x) { return {_mm512_set1_ps(x)}; }
  static Vec load(const float* p) { return {_mm512_loadu_ps(p)}; }
  static Vec load_twice(const float* p) {
    const __m512i order = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
    return {_mm512_permutexvar_ps(order, _mm512_castps256_ps512(_mm256_loadu_ps(p)))};
  }
  static Vec load_bf16(const uint16_t* p) {
    const __m256i half = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16))};
  }
  static Vec load_e4m3(const uint8_t* p) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    const __m512i code = _mm512_cvtepi8_epi32(bytes);  // the sign fills the upper bits
    const __m512i shifted = _mm512_slli_epi32(code, 20);
    const __m512i all = _mm512_set1_epi32(0x7f << 20);
    const __m512i magnitude = _mm512_and_si512(shifted, all);
    const __m512i normal = _mm512_add_epi32(magnitude, _mm512_set1_epi32(120 << 23));
    // Exponent 0: a multiple of 2^-9. All ones: NaN. Both by the lowest four bits.
    const __m512 table = _mm512_setr_ps(0, 0x1p-9f, 0x2p-9f, 0x3p-9f, 0x4p-9f, 0x5p-9f, 0x6p-9f,
                                        0x7p-9f, 0, 0, 0, 0, 0, 0, 0, __builtin_nanf(""));
    const __mmask16 special =
        static_cast<__mmask16>(_mm512_testn_epi32_mask(code, _mm512_set1_epi32(0x78)) |
                               _mm512_cmpeq_epi32_mask(magnitude, all));
    const __m512 value =
        _mm512_mask_permutexvar_ps(_mm512_castsi512_ps(normal), special, code, table);
    const __m512i sign = _mm512_set1_epi32(static_cast<int>(0x80000000u));
    return {_mm512_castsi512_ps(  // value | (shifted & sign)
        _mm512_ternarylogic_epi32(_mm512_castps_si512(value), shifted, sign, 0xf8))};
  }
  void store(float* p) const { _mm512_storeu_ps(p, v); }
  void store_bf16(uint16_t* p) const {
    const __m512i word = _mm512_castps_si512(v);
    const __m512i high = _mm512_srli_epi32(word, 16);
    const __m512i odd = _mm512_and_si512(high, _mm512_set1_epi32(1));
    const __m512i sum = _mm512_add_epi32(word, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    const __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
    const __m512i bits =
        _mm512_mask_or_epi32(_mm512_srli_epi32(sum, 16), nan, high, _mm512_set1_epi32(0x40));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16(bits));
  }
};

inline Vec operator+(Vec a, Vec b) { return {_mm512_add_ps(a.v, b.v)}; }
inline Vec operator-(Vec a, Vec b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline Vec operator*(Vec a, Vec b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline Vec operator/(Vec a, Vec b) { return {_mm512_div_ps(a.v, b.v)}; }
inline Vec fma(Vec a, Vec b, Vec c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
inline Vec max(Vec a, Vec b) { return {_mm512_max_ps(a.v, b.v)}; }
inline Vec min(Vec a, Vec b) { return {_mm512_min_ps(a.v, b.v)}; }
inline Vec abs(Vec a) { return {_mm512_abs_ps(a.v)}; }
inline Vec sqrt(Vec a) { return {_mm512_sqrt_ps(a.v)}; }
inline int first_equal(Vec a, Vec b) {
  const unsigned mask = _mm512_cmp_ps_mask(a.v, b.v, _CMP_EQ_OQ);
  return __builtin_ctz(mask | (1u << Vec::kLanes));
}
inline Vec split_exponent(Vec a, Vec* exponent) {
  exponent->v = _mm512_getexp_ps(a.v);
  return {_mm512_getmant_ps(a.v, _MM_MANT_NORM_1_2, _MM_MANT_SIGN_src)};
}
inline Vec swap_pairs(Vec a) { return {_mm512_permute_ps(a.v, 0xb1)}; }
inline Vec select_less(Vec a, Vec b, Vec x, Vec y) {
  return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ), y.v, x.v)};
}
inline Vec keep_nan(Vec a, Vec x) {
  return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q), x.v, a.v)};
}
inline Vec exp2_integral(Vec n) {
  const __m512i i = _mm512_add_epi32(_mm512_cvtps_epi32(n.v), _mm512_set1_epi32(127));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(i, 23))};
}
inline Vec copysign(Vec magnitude, Vec sign) {
  const __m512 mask = _mm512_set1_ps(-0.0f);
  return {_mm512_or_ps(_mm512_andnot_ps(mask, magnitude.v), _mm512_and_ps(mask, sign.v))};
}
inline Vec e4m3_rounder(Vec a) {
  const __m512i exponent =
      _mm512_and_si512(_mm512_castps_si512(a.v), _mm512_set1_epi32(0x7f800000));
  const __m512i clamped = _mm512_max_epi32(exponent, _mm512_set1_epi32(121 << 23));
  return {_mm512_castsi512_ps(_mm512_add_epi32(clamped, _mm512_set1_epi32(20 << 23)))};
}
inline __m256 upper_half(__m512 a) {
  return _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(a), 1));
}
inline float reduce_add(Vec a) {
  const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(a.v), upper_half(a.v));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}
/// Four sums to out[0..3], each as reduce_add makes it.
inline void reduce_add4(Vec a, Vec b, Vec c, Vec d, float* out) {
  // Quarters of two vectors side by side: [a01 | b01] + [a23 | b23].
  const __m512 ab =
      _mm512_add_ps(_mm512_shuffle_f32x4(a.v, b.v, 0x44), _mm512_shuffle_f32x4(a.v, b.v, 0xee));
  const __m512 cd =
      _mm512_add_ps(_mm512_shuffle_f32x4(c.v, d.v, 0x44), _mm512_shuffle_f32x4(c.v, d.v, 0xee));
  const __m512 four = _mm512_add_ps(_mm512_shuffle_f32x4(ab, cd, 0x88),
                                    _mm512_shuffle_f32x4(ab, cd, 0xdd));  // [a | b | c | d]
  const __m512 two = _mm512_add_ps(four, _mm512_permute_ps(four, 0x4e));  // 0+2, 1+3, ...
  const __m512 one = _mm512_add_ps(two, _mm512_permute_ps(two, 0xb1));
  const __m512i first = _mm512_setr_epi32(0, 4, 8, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  _mm_storeu_ps(out, _mm512_castps512_ps128(_mm512_permutexvar_ps(first, one)));
}
inline float reduce_max(Vec a) {
  const __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(a.v), upper_half(a.v));
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps(two, two, 1)));
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
