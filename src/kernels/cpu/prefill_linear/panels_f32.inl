#pragma once
// Operands of prefill on ISAs without dot products: panels of 16 tokens, and decoded chunks of rows
// of weights. Numbers of a panel are f32; beside INT8 weights 16-bit codes in pairs along
// K, because the products of two bytes need more than 15 bits; beside INT4 weights bytes + 128,
// four along K. What multiplies them is prefill_linear_f32.inl.
#include "kernels/cpu/isa/int16_pairs.h"
#include "kernels/cpu/prefill_linear/panels.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

int64_t f32_panel_bytes(PanelForm form, int64_t k_padded) {
  return k_padded * kPanelTokens * (form == PanelForm::kInt8 ? 2 : 4);
}

// ---- Panels of activations

constexpr int kPanelVecs = static_cast<int>(kPanelTokens) / Vec::kLanes;

/// Columns [col, col + kLanes) of 16 rows of x, transposed: rows[i][j] is column col + i of the
/// rows from kLanes * j on.
inline void load_transposed(const float* const (&x)[16], int64_t cols, int64_t col,
                            Vec (&rows)[Vec::kLanes][kPanelVecs]) {
  for (int j = 0; j < kPanelVecs; ++j) {
    Vec block[Vec::kLanes];
    for (int r = 0; r < Vec::kLanes; ++r) {
      const float* row = x[j * Vec::kLanes + r];
      block[r] = row == nullptr || col >= cols ? Vec::zero() : load_n(row + col, cols - col);
    }
    transpose(block);
    for (int i = 0; i < Vec::kLanes; ++i) rows[i][j] = block[i];
  }
}

/// Codes of numbers with these 1 / scale, in the lowest bits of their lanes in two's complement:
/// rounded to nearest even; 127 where the scale is NaN.
inline Words codes_of(Vec x, Vec inverse) {
  const Vec code = max(min(x * inverse, Vec::set1(127.0f)), Vec::set1(-127.0f));
  return words_of(code + Vec::set1(0x1.8p23f));
}

/// kLanes columns of codes from column `col` on: [k/2][16][2] of 16 bits, or [k/4][16][4] + 128.
inline void store_codes(const Vec (&rows)[Vec::kLanes][kPanelVecs], const PanelScales& s, int bits,
                        uint8_t* panel, int64_t col) {
  const int in_lane = bits == 4 ? 4 : 2, width = 32 / in_lane;
  const Words mask = ~(~Words{} << width);  // the low `width` bits of each lane
  for (int j = 0; j < kPanelVecs; ++j) {
    const Vec inverse = Vec::load(s.inverse + j * Vec::kLanes);
    for (int i = 0; i < Vec::kLanes; i += in_lane) {
      Words lane{};
      for (int k = 0; k < in_lane; ++k) {
        lane |= (codes_of(rows[i + k][j], inverse) & mask) << (width * k);
      }
      // + 128 to a byte flips its highest bit.
      if (bits == 4) lane ^= static_cast<int32_t>(0x80808080u);
      uint8_t* to = panel + (col + i) / in_lane * kPanelTokens * 4 + j * Vec::kLanes * 4;
      __builtin_memcpy(to, &lane, sizeof lane);
    }
  }
}

/// The same as f32, rounded to BF16 or to multiples of the scales.
inline void store_numbers(const Vec (&rows)[Vec::kLanes][kPanelVecs], const PanelScales& s,
                          bool fp8, uint8_t* panel, int64_t col) {
  float* out = reinterpret_cast<float*>(panel) + col * kPanelTokens;
  for (int i = 0; i < Vec::kLanes; ++i) {
    for (int j = 0; j < kPanelVecs; ++j) {
      const Vec v = rows[i][j];
      const Vec rounded =
          fp8 ? round_to_e4m3(v / Vec::load(s.scale + j * Vec::kLanes)) : round_to_bf16(v);
      rounded.store(out + i * kPanelTokens + j * Vec::kLanes);
    }
  }
}

/// scale * the sum of each token's codes, of `n` columns of bytes that were stored from `codes` on.
inline void store_group_sums(const uint8_t* codes, int64_t n, const PanelScales& s, float* out) {
  // Bytes without sign are multiplied with 1: 128 is taken back for each.
  const Pairs one_bytes = Pairs::set1(0x01010101), one_words = Pairs::set1(0x00010001);
  for (int j = 0; j < kPanelVecs; ++j) {
    Pairs sum = Pairs::set1(static_cast<int32_t>(-128 * n));
    for (int64_t k = 0; k < n; k += 4) {
      const Pairs four = Pairs::load(codes + k * kPanelTokens + j * Vec::kLanes * 4);
      sum = sum + multiply_words(multiply_bytes(four, one_bytes), one_words);
    }
    (to_f32(sum) * Vec::load(s.scale + j * Vec::kLanes)).store(out + j * Vec::kLanes);
  }
}

void pack_panel(const PackPanelsArgs& a, int64_t panel) {
  const float* x[16] = {};
  for (int r = 0; r < a.panel_rows[panel]; ++r) {
    const int64_t row = a.first_row[panel] + r;
    x[r] = a.x + (a.ids != nullptr ? a.ids[row] : row) * a.x_stride;
  }
  const bool fp8 = a.form == PanelForm::kFp8, integers = a.form == PanelForm::kInt8;
  uint8_t* out = a.out + panel * f32_panel_bytes(a.form, a.k_padded);
  float* scale = a.scale == nullptr ? nullptr : a.scale + panel * panel_scales(a.cols, a.group);
  for (int64_t g = 0; g < a.k_padded; g += a.group) {
    const int64_t n = min(a.group, a.cols - g);
    PanelScales s{};
    for (float& one : s.scale) one = 1.0f;
    if ((fp8 || integers) && n > 0) {
      s = fp8 ? fp8_scales(x, n, g, a.power_of_2) : int8_scales(x, n, g);
      __builtin_memcpy(scale + g / a.group * kPanelTokens, s.scale, sizeof s.scale);
    }
    for (int64_t col = g; col < g + a.group; col += Vec::kLanes) {
      Vec rows[Vec::kLanes][kPanelVecs];
      load_transposed(x, a.cols, col, rows);
      if (integers) {
        store_codes(rows, s, a.bits, out, col);
      } else {
        store_numbers(rows, s, fp8, out, col);
      }
    }
    if (a.sum != nullptr && n > 0) {
      float* sum = a.sum + panel * panel_scales(a.cols, a.group) + g / a.group * kPanelTokens;
      store_group_sums(out + g * kPanelTokens, a.group, s, sum);
    }
  }
}

void pack_panels(const PackPanelsArgs& a, int64_t begin, int64_t end) {
  for (int64_t panel = begin; panel < end; ++panel) pack_panel(a, panel);
}

// ---- Decoded weights: `count` columns of one row, of which `in` are there; a multiple of 32

/// f32, then zeros. FP8: a chunk with a NaN is decoded a second time, by what knows NaN.
inline void decode_to_f32(const uint16_t* w, int64_t in, int64_t count, float* out) {
  int64_t i = 0;
  for (; i + Vec::kLanes <= in; i += Vec::kLanes) Vec::load_bf16(w + i).store(out + i);
  for (; i < count; i += Vec::kLanes) {
    (i < in ? load_stored_n(w + i, in - i) : Vec::zero()).store(out + i);
  }
}
inline void decode_to_f32(const uint8_t* w, int64_t in, int64_t count, float* out) {
  alignas(64) uint16_t halves[32];
  E4m3Halves half;
  int64_t i = 0;
  for (; i + 32 <= in; i += 32) {
    half.decode(w + i, halves);
#pragma GCC unroll 4
    for (int j = 0; j < 32; j += Vec::kLanes) {
      (E4m3Halves::load(halves + j) * Vec::set1(0x1p8f)).store(out + i + j);
    }
  }
  if (half.any_nan()) i = 0;
  for (; i < count; i += Vec::kLanes) {
    (i < in ? load_stored_n(w + i, in - i) : Vec::zero()).store(out + i);
  }
}

/// `bytes` of packed codes, then zeros, 32 columns at a time: fn(codes of 32 columns, column).
template <int kBits, typename Fn>
inline void for_packed_columns(const uint8_t* w, int64_t in, int64_t count, Fn&& fn) {
  constexpr int64_t kBytes = 4 * kBits;
  const int64_t bytes = (in * kBits + 7) / 8;
  for (int64_t i = 0; i < count; i += 32) {
    const int64_t from = i * kBits / 8;
    if (from + kBytes <= bytes) {
      fn(w + from, i);
      continue;
    }
    uint8_t buffer[kBytes] = {};
    for (int64_t j = 0; j < bytes - from; ++j) buffer[j] = w[from + j];
    fn(buffer, i);
  }
}

/// 16-bit codes - 128. Where no column is, activations are 0.
inline void decode_to_words(const uint8_t* w, int64_t in, int64_t count, uint8_t* out) {
  for_packed_columns<8>(w, in, count, [out](const uint8_t* codes, int64_t i) {
    for (int64_t j = 0; j < 32; j += 16) {
      const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(codes + j));
      const __m256i words = _mm256_sub_epi16(_mm256_cvtepu8_epi16(bytes), _mm256_set1_epi16(128));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 2 * (i + j)), words);
    }
  });
}

/// Codes - 8 as bytes, and for each group -128 times their sum, which takes the activations' offset
/// back; groups lie `stride` apart.
inline void decode_to_bytes(const uint8_t* w, int64_t in, int64_t count, int64_t group,
                            uint8_t* out, int32_t* starts, int64_t stride) {
  for (int64_t g = 0; g * group < count; ++g) starts[g * stride] = 0;
  for_packed_columns<4>(w, in, count, [=](const uint8_t* codes, int64_t i) {
    const __m128i pairs = _mm_loadu_si128(reinterpret_cast<const __m128i*>(codes));
    const __m128i nibble = _mm_set1_epi8(15), eight = _mm_set1_epi8(8);
    const __m128i even = _mm_sub_epi8(_mm_and_si128(pairs, nibble), eight);
    const __m128i odd = _mm_sub_epi8(_mm_and_si128(_mm_srli_epi16(pairs, 4), nibble), eight);
    __m128i* to = reinterpret_cast<__m128i*>(out + i);
    _mm_storeu_si128(to, _mm_unpacklo_epi8(even, odd));
    _mm_storeu_si128(to + 1, _mm_unpackhi_epi8(even, odd));
    const __m128i one = _mm_set1_epi8(1);
    const __m128i words = _mm_add_epi16(_mm_maddubs_epi16(one, even), _mm_maddubs_epi16(one, odd));
    const __m128i four = _mm_madd_epi16(words, _mm_set1_epi16(1));
    const __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
    const __m128i sum = _mm_add_epi32(two, _mm_shuffle_epi32(two, 0xb1));
    starts[(group == 32 ? i / 32 : i / 128) * stride] -= 128 * _mm_cvtsi128_si32(sum);
  });
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
