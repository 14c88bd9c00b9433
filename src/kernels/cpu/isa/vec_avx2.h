#pragma once
// Vec for AVX2 with FMA: eight lanes.
#include <immintrin.h>

#include <cstdint>

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

struct Vec {
  static constexpr int kLanes = 8;
  // Register tiles of the matrix product, weight rows x tokens, for 16 registers. Scaled ones hold
  // two accumulators a result; direct ones also decode their weights.
  static constexpr int kTileRows = 4, kTileTokens = 2;
  static constexpr int kScaledTileRows = 2, kScaledTileTokens = 2;
  static constexpr int kDirectScaledTileRows = 2, kDirectScaledTileTokens = 2;
  // Tile of the packed product: rows of a x panels of b.
  static constexpr int kPanelTileRows = 6, kPanelTilePanels = 1;
  __m256 v;

  static Vec zero() { return {_mm256_setzero_ps()}; }
  static Vec set1(float x) { return {_mm256_set1_ps(x)}; }
  static Vec load(const float* p) { return {_mm256_loadu_ps(p)}; }
  static Vec load_twice(const float* p) {
    const __m256i order = _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3);
    return {_mm256_permutevar8x32_ps(_mm256_castps128_ps256(_mm_loadu_ps(p)), order)};
  }
  static Vec load_bf16(const uint16_t* p) {
    const __m128i half = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16))};
  }
  static Vec load_e4m3(const uint8_t* p) {
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
    const __m256i code = _mm256_cvtepu8_epi32(bytes);
    const __m256i magnitude = _mm256_and_si256(code, _mm256_set1_epi32(0x7f));
    // Normal: exponent + 120. Subnormal: (1 + m/8) 2^-6 - 2^-6, exact. 0x7f: NaN.
    const __m256i shifted = _mm256_slli_epi32(magnitude, 20);
    const __m256i normal = _mm256_add_epi32(shifted, _mm256_set1_epi32(120 << 23));
    const __m256 one_up =
        _mm256_castsi256_ps(_mm256_add_epi32(shifted, _mm256_set1_epi32(121 << 23)));
    const __m256 subnormal = _mm256_sub_ps(one_up, _mm256_set1_ps(0x1p-6f));
    const __m256i is_subnormal = _mm256_cmpgt_epi32(_mm256_set1_epi32(8), magnitude);
    const __m256i is_nan = _mm256_cmpeq_epi32(magnitude, _mm256_set1_epi32(0x7f));
    __m256i bits = _mm256_blendv_epi8(normal, _mm256_castps_si256(subnormal), is_subnormal);
    bits = _mm256_or_si256(bits, _mm256_and_si256(is_nan, _mm256_set1_epi32(0x7fc00000)));
    const __m256i sign = _mm256_slli_epi32(_mm256_and_si256(code, _mm256_set1_epi32(0x80)), 24);
    return {_mm256_castsi256_ps(_mm256_or_si256(bits, sign))};
  }
  /// The next kLanes codes of a packed row: bytes, or nibbles with the lower one first.
  static Vec load_bytes(const uint8_t* p) {
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
    return {_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes))};
  }
  static Vec load_nibbles(const uint8_t* p) {
    int32_t word;
    __builtin_memcpy(&word, p, sizeof word);
    const __m256i shifts = _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28);
    const __m256i codes = _mm256_srlv_epi32(_mm256_set1_epi32(word), shifts);
    return {_mm256_cvtepi32_ps(_mm256_and_si256(codes, _mm256_set1_epi32(15)))};
  }
  void store(float* p) const { _mm256_storeu_ps(p, v); }
  void store_bf16(uint16_t* p) const {
    const __m256i word = _mm256_castps_si256(v);
    const __m256i high = _mm256_srli_epi32(word, 16);
    const __m256i odd = _mm256_and_si256(high, _mm256_set1_epi32(1));
    const __m256i sum = _mm256_add_epi32(word, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
    const __m256i bits = _mm256_blendv_epi8(_mm256_srli_epi32(sum, 16),
                                            _mm256_or_si256(high, _mm256_set1_epi32(0x40)), nan);
    const __m128i low = _mm256_castsi256_si128(bits), up = _mm256_extracti128_si256(bits, 1);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm_packus_epi32(low, up));
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
    store(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)), out);
    store(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 16)), out + 16);
  }
  /// The next kLanes numbers; subnormals cost what others do.
  static Vec load(const uint16_t* p) {
    return {_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))};
  }
  /// Was any of the codes NaN?
  bool any_nan() const {
    return _mm256_movemask_epi8(_mm256_cmpeq_epi8(largest, _mm256_set1_epi8(-2))) != 0;
  }

 private:
  static void store(__m128i codes, uint16_t* out) {
    const __m256i word =
        _mm256_slli_epi16(_mm256_cvtepi8_epi16(codes), 7);  // the sign is there twice
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out),
                        _mm256_and_si256(word, _mm256_set1_epi16(static_cast<short>(0xbfff))));
  }
};

/// The lanes' bits.
using Words = int32_t __attribute__((vector_size(32)));
inline Words words_of(Vec a) { return (Words)a.v; }
inline Vec vec_of(Words a) { return {(__m256)a}; }
/// The lower byte of each lane to p.
inline void store_bytes(Words a, uint8_t* p) {
  const __m256i low = _mm256_and_si256((__m256i)a, _mm256_set1_epi32(0xff));
  const __m128i words =
      _mm_packus_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packus_epi16(words, words));
}
/// The lower 12 bits of each lane, packed: two lanes in three bytes, the first in the lower bits.
inline void store_12_bits(Words a, uint8_t* p) {
  // [x0 x1] -> 24 bits in each quadword, then the six bytes of each half packed.
  const __m256i x = (__m256i)a;
  const __m256i three = _mm256_or_si256(x, _mm256_srli_epi64(x, 20));
  const __m256i order = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(0, 1, 2, 8, 9, 10, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1));
  uint64_t quads[4];
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(quads), _mm256_shuffle_epi8(three, order));
  __builtin_memcpy(p, quads, 6);
  __builtin_memcpy(p + 6, quads + 2, 6);
}
/// The inverse.
inline Words load_12_bits(const uint8_t* p) {
  int32_t last;
  __builtin_memcpy(&last, p + 8, sizeof last);
  const __m128i twelve =
      _mm_insert_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)), last, 2);
  const __m256i bytes = _mm256_broadcastsi128_si256(twelve);
  const __m256i order = _mm256_setr_epi8(0, 1, -1, -1, 1, 2, -1, -1, 3, 4, -1, -1, 4, 5, -1, -1,  //
                                         6, 7, -1, -1, 7, 8, -1, -1, 9, 10, -1, -1, 10, 11, -1, -1);
  const __m256i shift = _mm256_set1_epi64x(int64_t{4} << 32);
  return (Words)_mm256_and_si256(_mm256_srlv_epi32(_mm256_shuffle_epi8(bytes, order), shift),
                                 _mm256_set1_epi32(0xfff));
}

inline Vec operator+(Vec a, Vec b) { return {_mm256_add_ps(a.v, b.v)}; }
inline Vec operator-(Vec a, Vec b) { return {_mm256_sub_ps(a.v, b.v)}; }
inline Vec operator*(Vec a, Vec b) { return {_mm256_mul_ps(a.v, b.v)}; }
inline Vec operator/(Vec a, Vec b) { return {_mm256_div_ps(a.v, b.v)}; }
inline Vec fma(Vec a, Vec b, Vec c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
inline Vec max(Vec a, Vec b) { return {_mm256_max_ps(a.v, b.v)}; }
inline Vec min(Vec a, Vec b) { return {_mm256_min_ps(a.v, b.v)}; }
inline Vec abs(Vec a) { return {_mm256_andnot_ps(_mm256_set1_ps(-0.0f), a.v)}; }
inline Vec sqrt(Vec a) { return {_mm256_sqrt_ps(a.v)}; }
inline int first_equal(Vec a, Vec b) {
  const int mask = _mm256_movemask_ps(_mm256_cmp_ps(a.v, b.v, _CMP_EQ_OQ));
  return __builtin_ctz(static_cast<unsigned>(mask) | (1u << Vec::kLanes));
}
inline Vec split_exponent(Vec a, Vec* exponent) {
  const __m256i bits = _mm256_castps_si256(a.v);
  const __m256i biased = _mm256_srli_epi32(bits, 23);
  exponent->v = _mm256_cvtepi32_ps(_mm256_sub_epi32(biased, _mm256_set1_epi32(127)));
  const __m256i mantissa = _mm256_and_si256(bits, _mm256_set1_epi32(0x7fffff));
  return {_mm256_castsi256_ps(_mm256_or_si256(mantissa, _mm256_set1_epi32(127 << 23)))};
}
inline Vec swap_pairs(Vec a) { return {_mm256_permute_ps(a.v, 0xb1)}; }
inline Vec select_less(Vec a, Vec b, Vec x, Vec y) {
  return {_mm256_blendv_ps(y.v, x.v, _mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ))};
}
inline Vec keep_nan(Vec a, Vec x) {
  return {_mm256_blendv_ps(x.v, a.v, _mm256_cmp_ps(a.v, a.v, _CMP_UNORD_Q))};
}
/// rows[i][j] becomes rows[j][i].
inline void transpose(Vec (&rows)[8]) {
  __m256 a[8], b[8];
#pragma GCC unroll 4
  for (int i = 0; i < 8; i += 2) {
    a[i] = _mm256_unpacklo_ps(rows[i].v, rows[i + 1].v);
    a[i + 1] = _mm256_unpackhi_ps(rows[i].v, rows[i + 1].v);
  }
  // b[4i + j]: column 4h + j of rows 4i .. 4i+3 in half h.
#pragma GCC unroll 2
  for (int i = 0; i < 8; i += 4) {
    b[i] = _mm256_shuffle_ps(a[i], a[i + 2], 0x44);
    b[i + 1] = _mm256_shuffle_ps(a[i], a[i + 2], 0xee);
    b[i + 2] = _mm256_shuffle_ps(a[i + 1], a[i + 3], 0x44);
    b[i + 3] = _mm256_shuffle_ps(a[i + 1], a[i + 3], 0xee);
  }
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    rows[j].v = _mm256_permute2f128_ps(b[j], b[4 + j], 0x20);
    rows[4 + j].v = _mm256_permute2f128_ps(b[j], b[4 + j], 0x31);
  }
}
inline float reduce_add(Vec a) {
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}
/// Four sums to out[0..3], each as reduce_add makes it.
inline void reduce_add4(Vec a, Vec b, Vec c, Vec d, float* out) {
  // Halves of two vectors in one register: [a0..3 | b0..3] and so on.
  const __m256 ab =
      _mm256_add_ps(_mm256_permute2f128_ps(a.v, b.v, 0x20), _mm256_permute2f128_ps(a.v, b.v, 0x31));
  const __m256 cd =
      _mm256_add_ps(_mm256_permute2f128_ps(c.v, d.v, 0x20), _mm256_permute2f128_ps(c.v, d.v, 0x31));
  // [a02 a13 c02 c13 | b02 b13 d02 d13], then 02 + 13.
  const __m256 two =
      _mm256_add_ps(_mm256_shuffle_ps(ab, cd, 0x44), _mm256_shuffle_ps(ab, cd, 0xee));
  const __m256 one = _mm256_add_ps(_mm256_shuffle_ps(two, two, 0x88),
                                   _mm256_shuffle_ps(two, two, 0xdd));  // [a c . . | b d . .]
  _mm_storeu_ps(out, _mm_unpacklo_ps(_mm256_castps256_ps128(one), _mm256_extractf128_ps(one, 1)));
}
inline float reduce_max(Vec a) {
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps(two, two, 1)));
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
