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
  // Tile of the packed product: rows of a x panels of b.
  static constexpr int kPanelTileRows = 8, kPanelTilePanels = 3;
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
  /// The next kLanes codes of a packed row: bytes, or nibbles with the lower one first.
  static Vec load_bytes(const uint8_t* p) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return {_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes))};
  }
  static Vec load_nibbles(const uint8_t* p) {
    const __m128i pairs = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
    const __m128i low = _mm_and_si128(pairs, _mm_set1_epi8(15));
    const __m128i high = _mm_and_si128(_mm_srli_epi16(pairs, 4), _mm_set1_epi8(15));
    return {_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_unpacklo_epi8(low, high)))};
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

/// E4M3 codes as half precision, 2^-8 of their value: the exponent's bias is 15 there and not 7,
/// and subnormals stay subnormals. NaN becomes a number, so it is looked for beside.
struct E4m3Halves {
  static constexpr bool kAvailable = true;
  __m256i largest = _mm256_setzero_si256();  // twice the largest magnitude, byte by byte

  /// 32 codes.
  void decode(const uint8_t* p, uint16_t* out) {
    const __m256i codes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    largest = _mm256_max_epu8(largest, _mm256_add_epi8(codes, codes));
    const __m512i word =
        _mm512_slli_epi16(_mm512_cvtepi8_epi16(codes), 7);  // the sign is there twice
    _mm512_storeu_si512(out, _mm512_and_si512(word, _mm512_set1_epi16(static_cast<short>(0xbfff))));
  }
  /// The next kLanes numbers; subnormals cost what others do.
  static Vec load(const uint16_t* p) {
    return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
  }
  /// Was any of the codes NaN?
  bool any_nan() const {
    return _mm256_movemask_epi8(_mm256_cmpeq_epi8(largest, _mm256_set1_epi8(-2))) != 0;
  }
};

/// The lanes' bits.
using Words = int32_t __attribute__((vector_size(64)));
inline Words words_of(Vec a) { return (Words)a.v; }
inline Vec vec_of(Words a) { return {(__m512)a}; }
/// The lower byte of each lane to p.
inline void store_bytes(Words a, uint8_t* p) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8((__m512i)a));
}
/// The lower 12 bits of each lane, packed: two lanes in three bytes, the first in the lower bits.
inline void store_12_bits(Words a, uint8_t* p) {
  // [x0 x1] -> 24 bits in each quadword, then the six bytes of each 128-bit lane packed.
  const __m512i x = (__m512i)a;
  const __m512i three = _mm512_or_si512(x, _mm512_srli_epi64(x, 20));
  const __m512i order = _mm512_broadcast_i32x4(
      _mm_setr_epi8(0, 1, 2, 8, 9, 10, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1));
  const __m512i six = _mm512_shuffle_epi8(three, order);
  uint64_t quads[8];
  _mm512_storeu_si512(quads, six);
  for (int i = 0; i < 4; ++i) __builtin_memcpy(p + 6 * i, quads + 2 * i, 6);
}
/// The inverse.
inline Words load_12_bits(const uint8_t* p) {
  const __m512i bytes = _mm512_castsi256_si512(_mm256_maskz_loadu_epi8(0xffffffu, p));
  // Lane i holds bytes 6i .. 6i+5, from byte 0 or 2 on.
  const __m512i from = _mm512_setr_epi32(0, 1, 2, 0, 1, 2, 3, 0, 3, 4, 5, 0, 4, 5, 6, 0);
  const __m512i lanes = _mm512_permutexvar_epi32(from, bytes);
  const __m128i even = _mm_setr_epi8(0, 1, -1, -1, 1, 2, -1, -1, 3, 4, -1, -1, 4, 5, -1, -1);
  const __m128i odd = _mm_setr_epi8(2, 3, -1, -1, 3, 4, -1, -1, 5, 6, -1, -1, 6, 7, -1, -1);
  const __m256i pair = _mm256_set_m128i(odd, even);
  const __m512i pairs =
      _mm512_shuffle_epi8(lanes, _mm512_inserti64x4(_mm512_castsi256_si512(pair), pair, 1));
  const __m512i shift = _mm512_set1_epi64(int64_t{4} << 32);
  return (Words)_mm512_and_si512(_mm512_srlv_epi32(pairs, shift), _mm512_set1_epi32(0xfff));
}

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
/// rows[i][j] becomes rows[j][i].
inline void transpose(Vec (&rows)[16]) {
  __m512 a[16], b[16];
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    a[i] = _mm512_unpacklo_ps(rows[i].v, rows[i + 1].v);
    a[i + 1] = _mm512_unpackhi_ps(rows[i].v, rows[i + 1].v);
  }
  // b[4i + j]: column 4q + j of rows 4i .. 4i+3 in quarter q.
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
    b[i] = _mm512_shuffle_ps(a[i], a[i + 2], 0x44);
    b[i + 1] = _mm512_shuffle_ps(a[i], a[i + 2], 0xee);
    b[i + 2] = _mm512_shuffle_ps(a[i + 1], a[i + 3], 0x44);
    b[i + 3] = _mm512_shuffle_ps(a[i + 1], a[i + 3], 0xee);
  }
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    const __m512 low01 = _mm512_shuffle_f32x4(b[j], b[4 + j], 0x88);   // quarters 0 2 | 0 2
    const __m512 high01 = _mm512_shuffle_f32x4(b[j], b[4 + j], 0xdd);  // quarters 1 3 | 1 3
    const __m512 low23 = _mm512_shuffle_f32x4(b[8 + j], b[12 + j], 0x88);
    const __m512 high23 = _mm512_shuffle_f32x4(b[8 + j], b[12 + j], 0xdd);
    rows[j].v = _mm512_shuffle_f32x4(low01, low23, 0x88);
    rows[4 + j].v = _mm512_shuffle_f32x4(high01, high23, 0x88);
    rows[8 + j].v = _mm512_shuffle_f32x4(low01, low23, 0xdd);
    rows[12 + j].v = _mm512_shuffle_f32x4(high01, high23, 0xdd);
  }
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
  // Quarters of two vectors in one register: [a01 | b01] + [a23 | b23].
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
