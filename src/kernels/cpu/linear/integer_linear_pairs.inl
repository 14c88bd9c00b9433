#pragma once
// Weights packed as INT8 or INT4 times activations quantised to INT8, in exact integer sums, for
// ISAs without a dot product of bytes: pairs of bytes are multiplied and added in 16 bits
// (VPMADDUBSW, unsigned x signed, saturating), pairs of those in 32 (VPMADDWD). The vectors have
// 256 bits on AVX-512 too: a single token is bound by reading its weights.
//
// No sum of 16 bits saturates:
//   INT8  |w| x (x with the sign of w): 2 * 128 * 127 = 32,512. |-128| is 128 as an unsigned byte,
//         and codes of activations lie in [-127, 127], so that their sign can be flipped.
//   INT4  codes of weights as they lie, 0 to 15: 8 products, 8 * 15 * 127 = 15,240. Their offset of
//         8 is taken back by the sums' start; weights whose groups have minima have no offset, and
//         the start gives the sum of the activations' codes that their minima are multiplied with.
//
// Invariant: y[t, o] is 8 sums that add the blocks of K in rising order, whatever the tile.
#include "kernels/api/packed.h"
#include "kernels/cpu/linear/integer_activations.inl"
#include "kernels/cpu/quantize/group_scales.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

/// What is multiplied at once: a group, or two groups of 32 INT4 columns.
template <int kBits, int kGroup>
struct PairBlock {
  static constexpr int kCodes = kGroup == 128 ? 128 : kBits == 4 ? 64 : 32;
  static constexpr int kGroups = kCodes / kGroup;
  static constexpr int kWeightBytes = kCodes * kBits / 8;
  static constexpr int kParts = kWeightBytes / 32;  // registers of weights
  /// Of weights whose scales are multiplied with the activations' at once.
  static constexpr int kChunkGroups = 8, kChunkBlocks = kChunkGroups / kGroups;
};

/// A row of activations: kernels/api/packed.h.
struct PairRow {
  int64_t scales;  // bytes from the row's begin
  int64_t starts;

  PairRow(int bits, int64_t group, int64_t cols) {
    const int64_t unit = packed_unit_codes(bits, group);
    scales = (cols + unit - 1) / unit * unit;
    starts = scales + ((scales / group + 7) & ~int64_t{7}) * 4;
  }
};

inline __m256i load_256(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}
inline void store_256(__m256i v, void* p) { _mm256_storeu_si256(static_cast<__m256i*>(p), v); }

/// sums of neighbouring 16-bit numbers in 32 bits.
inline __m256i add_neighbours(__m256i words) {
  return _mm256_madd_epi16(words, _mm256_set1_epi16(1));
}

/// 64 codes in order as 32 even and 32 odd ones, and -8 times the sum of what each of 8 sums of 32
/// bits multiplies, added to `starts`.
inline void split_codes(int8_t* codes, int32_t* starts) {
  const __m256i low_byte = _mm256_set1_epi16(255);
  const __m256i a = load_256(codes), b = load_256(codes + 32);
  // The pack works within 128-bit lanes: quadwords 0 2 1 3 put its result in order.
  const __m256i even = _mm256_permute4x64_epi64(
      _mm256_packus_epi16(_mm256_and_si256(a, low_byte), _mm256_and_si256(b, low_byte)), 0xd8);
  const __m256i odd = _mm256_permute4x64_epi64(
      _mm256_packus_epi16(_mm256_srli_epi16(a, 8), _mm256_srli_epi16(b, 8)), 0xd8);
  store_256(even, codes);
  store_256(odd, codes + 32);
  const __m256i one = _mm256_set1_epi8(1);
  const __m256i sum = add_neighbours(
      _mm256_add_epi16(_mm256_maddubs_epi16(one, even), _mm256_maddubs_epi16(one, odd)));
  store_256(_mm256_sub_epi32(load_256(starts), _mm256_slli_epi32(sum, 3)), starts);
}

template <int kBits, int kGroup>
void quantize_pair_row(const float* x, int64_t cols, uint8_t* out) {
  const PairRow at(kBits, kGroup, cols);
  int8_t* codes = reinterpret_cast<int8_t*>(out);
  float* scales = reinterpret_cast<float*>(out + at.scales);
  __builtin_memset(scales, 0, static_cast<Size>(at.starts - at.scales));
  const Vec to_integer = Vec::set1(0x1.8p23f);  // the code is the sum's lowest byte
  for (int64_t g = 0; g < at.scales; g += kGroup) {
    const int64_t n = min(kGroup, cols - g);
    const GroupScale s = n > 0 ? group_scale(x + g, n) : GroupScale{0.0f, 0.0f};
    scales[g / kGroup] = s.scale;
    for (int64_t i = 0; i < kGroup; i += Vec::kLanes) {
      const Vec v = i < n ? load_n(x + g + i, n - i) : Vec::zero();
      const Words bits = words_of(code_of(v, s.inverse) + to_integer);
      store_bytes(bits, out + g + i);
    }
  }
  if constexpr (kBits == 4) {
    int32_t* starts = reinterpret_cast<int32_t*>(out + at.starts);
    constexpr int kCodes = PairBlock<kBits, kGroup>::kCodes;
    __builtin_memset(starts, 0, static_cast<Size>(at.scales / kCodes * 32));
    for (int64_t i = 0; i < at.scales; i += 64) split_codes(codes + i, starts + i / kCodes * 8);
  }
}

template <int kBits, int kGroup>
void quantize_pair_rows_of(const QuantizeGroupsArgs& a, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    quantize_pair_row<kBits, kGroup>(a.x + row * a.x_stride, a.cols,
                                     static_cast<uint8_t*>(a.out) + row * a.out_stride);
  }
}

/// Eight scales of weights, of which `count` are there; the rest are 0.
inline __m256 load_scales(const uint16_t* p, int64_t count, ScaleType type) {
  uint16_t buffer[8] = {};
  if (count < 8) {
    for (int64_t i = 0; i < count; ++i) buffer[i] = p[i];
    p = buffer;
  }
  const __m128i half = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  if (type == ScaleType::kF16) return _mm256_cvtph_ps(half);
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
}

/// One row of weights x T tokens.
template <int kBits, int kGroup, bool kMinima, int T>
struct PairTile {
  using B = PairBlock<kBits, kGroup>;
  const PackedLinearArgs& a;
  const uint8_t* x;  // of the first token
  const uint8_t* w;
  GroupScales of_row;
  PairRow at;
  __m256 acc[T];
  alignas(32) float scales[T][B::kChunkGroups];              // of both operands
  alignas(32) float minima[T][kMinima ? B::kChunkGroups : 8];  // times -1/8 of x's scales

  /// sums[t] += the products of one register of INT8 weights.
  [[gnu::always_inline]] inline void add_int8(const uint8_t* from, int64_t col,
                                              __m256i (&sums)[T]) const {
    const __m256i codes = _mm256_xor_si256(load_256(from), _mm256_set1_epi8(-128));  // - 128
    const __m256i magnitude = _mm256_abs_epi8(codes);
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) {
      const __m256i signs = _mm256_sign_epi8(load_256(x + t * a.x_stride + col), codes);
      sums[t] = _mm256_add_epi32(sums[t], add_neighbours(_mm256_maddubs_epi16(magnitude, signs)));
    }
  }

  /// words[t] += the products of one register of pairs of INT4 weights.
  [[gnu::always_inline]] inline void add_int4(const uint8_t* from, int64_t col,
                                              __m256i (&words)[T]) const {
    const __m256i pairs = load_256(from), nibble = _mm256_set1_epi8(15);
    const __m256i even = _mm256_and_si256(pairs, nibble);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi16(pairs, 4), nibble);
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) {
      const uint8_t* codes = x + t * a.x_stride + col;
      const __m256i two = _mm256_add_epi16(_mm256_maddubs_epi16(even, load_256(codes)),
                                           _mm256_maddubs_epi16(odd, load_256(codes + 32)));
      words[t] = _mm256_add_epi16(words[t], two);
    }
  }

  /// Block `b` of K, `in_chunk` of its chunk, whose weights lie at `from`.
  [[gnu::always_inline]] inline void block(int64_t b, int in_chunk, const uint8_t* from) {
    __m256i sums[T];
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) sums[t] = _mm256_setzero_si256();
#pragma GCC unroll 4
    for (int i = 0; i < B::kParts; ++i) {
      constexpr int kCodes = B::kCodes / B::kParts;
      const int64_t col = b * B::kCodes + i * kCodes;
      if constexpr (kBits == 4) {
        add_int4(from + 32 * i, col, sums);
      } else {
        add_int8(from + 32 * i, col, sums);
      }
    }
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) {
      __m256i sum = sums[t];
      if constexpr (kBits == 4) {
        const __m256i start = load_256(x + t * a.x_stride + at.starts + 32 * b);
        sum = add_neighbours(sum);
        if constexpr (kMinima) {
          acc[t] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(start), of_block(minima[t], in_chunk), acc[t]);
        } else {
          sum = _mm256_add_epi32(start, sum);
        }
      }
      acc[t] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum), of_block(scales[t], in_chunk), acc[t]);
    }
  }

  /// Numbers of groups, in the lanes of a block's sums.
  [[gnu::always_inline]] static inline __m256 of_block(const float* of_groups, int in_chunk) {
    if constexpr (B::kGroups == 1) return _mm256_set1_ps(of_groups[in_chunk]);
    return _mm256_set_m128(_mm_set1_ps(of_groups[2 * in_chunk + 1]),
                           _mm_set1_ps(of_groups[2 * in_chunk]));
  }

  /// scales and minima of the groups from `group` on, `count` of them or fewer.
  [[gnu::always_inline]] inline void begin_chunk(int64_t group, int64_t count) {
    const __m256 of_weights = load_scales(of_row.data + group, count, of_row.type);
    __m256 w_minima = _mm256_setzero_ps();
    if constexpr (kMinima) {
      w_minima = _mm256_mul_ps(load_scales(of_row.minima + group, count, of_row.type),
                               _mm256_set1_ps(-0.125f));
    }
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) {
      const uint8_t* from = x + t * a.x_stride + at.scales + 4 * group;
      const __m256 of_x = _mm256_loadu_ps(reinterpret_cast<const float*>(from));
      _mm256_store_ps(scales[t], _mm256_mul_ps(of_weights, of_x));
      if constexpr (kMinima) _mm256_store_ps(minima[t], _mm256_mul_ps(w_minima, of_x));
    }
  }

  [[gnu::always_inline]] inline void run(float* y) {
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) acc[t] = _mm256_setzero_ps();
    const int64_t blocks = a.in / B::kCodes, groups = (a.in + kGroup - 1) / kGroup;
    int64_t b = 0;
    for (; b + B::kChunkBlocks <= blocks; b += B::kChunkBlocks) {
      begin_chunk(b * B::kGroups, B::kChunkGroups);
      const uint8_t* from = w + b * B::kWeightBytes;
#pragma GCC unroll 1
      for (int i = 0; i < B::kChunkBlocks; ++i, from += B::kWeightBytes) {
        for (int line = 0; line < B::kWeightBytes; line += 64) {
          __builtin_prefetch(from + line + kPrefetchBytes);
        }
        block(b + i, i, from);
      }
    }
    end(b, blocks, groups);
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) y[t * a.y_stride] = sum_of(acc[t]);
  }

  /// The last chunk, which is not whole, and the last block, which may not be.
  void end(int64_t b, int64_t blocks, int64_t groups) {
    if (b * B::kGroups >= groups) return;
    begin_chunk(b * B::kGroups, groups - b * B::kGroups);
    int i = 0;
    for (; b < blocks; ++b, ++i) block(b, i, w + b * B::kWeightBytes);
    const int64_t left = packed_weight_stride(kBits, a.in) - b * B::kWeightBytes;
    if (left <= 0) return;
    alignas(32) uint8_t buffer[B::kWeightBytes] = {};  // beyond the last the activations are 0
    for (int64_t j = 0; j < left; ++j) buffer[j] = w[b * B::kWeightBytes + j];
    block(b, i, buffer);
  }

  static float sum_of(__m256 v) {
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
  }
};

template <int kBits, int kGroup, bool kMinima, int T>
void pair_tile(const PackedLinearArgs& a, int64_t row, int64_t token) {
  PairTile<kBits, kGroup, kMinima, T> tile{a,
                                           a.x + token * a.x_stride,
                                           a.w + row * a.w_stride,
                                           scales_from(a.scales, row),
                                           PairRow(kBits, kGroup, a.in),
                                           {},
                                           {},
                                           {}};
  tile.run(a.y + token * a.y_stride + row);
}

/// Row after row is one stream of weights; tokens beyond the first tile find them in the
/// first-level cache.
template <int kBits, int kGroup, bool kMinima = false>
void pair_rows_of(const PackedLinearArgs& a, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    int64_t t = 0;
    for (; t + 4 <= a.tokens; t += 4) pair_tile<kBits, kGroup, kMinima, 4>(a, row, t);
    for (; t + 2 <= a.tokens; t += 2) pair_tile<kBits, kGroup, kMinima, 2>(a, row, t);
    if (t < a.tokens) pair_tile<kBits, kGroup, kMinima, 1>(a, row, t);
  }
}

void integer_linear_rows(const PackedLinearArgs& a, int64_t begin, int64_t end) {
  const bool short_groups = a.scales.group == 32;
  if (a.scales.minima != nullptr) return pair_rows_of<4, 32, true>(a, begin, end);
  if (a.bits == 4) {
    return short_groups ? pair_rows_of<4, 32>(a, begin, end) : pair_rows_of<4, 128>(a, begin, end);
  }
  short_groups ? pair_rows_of<8, 32>(a, begin, end) : pair_rows_of<8, 128>(a, begin, end);
}

void quantize_group_rows(const QuantizeGroupsArgs& a, int64_t begin, int64_t end) {
  if (a.bits == 4) {
    a.group == 32 ? quantize_pair_rows_of<4, 32>(a, begin, end)
                  : quantize_pair_rows_of<4, 128>(a, begin, end);
  } else {
    a.group == 32 ? quantize_pair_rows_of<8, 32>(a, begin, end)
                  : quantize_pair_rows_of<8, 128>(a, begin, end);
  }
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
