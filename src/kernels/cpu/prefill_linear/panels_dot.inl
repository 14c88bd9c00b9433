#pragma once
// Operands of prefill: panels of 16 tokens, and decoded rows of weights. What multiplies them is
// prefill_linear_dot.inl or prefill_linear_amx.inl.
#include "kernels/cpu/isa/dot_bf16.h"
#include "kernels/cpu/prefill_linear/panels.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

#if FATHOM_HAS_TILES
constexpr bool kSignedCodes = true;
#else
constexpr bool kSignedCodes = false;  // bytes are multiplied unsigned x signed: codes + 128
#endif

/// panel_bytes() with an address of its own: a shared inline function may not leave this file.
int64_t dot_panel_bytes(PanelForm form, int64_t k_padded) { return panel_bytes(form, k_padded); }

// ---- Panels of activations

/// 16 rows x 16 columns of x, transposed: rows[i] holds column col + i of every row.
inline void load_transposed_rows(const float* const (&x)[16], int64_t cols, int64_t col,
                                 Vec (&rows)[16]) {
  for (int r = 0; r < 16; ++r) {
    rows[r] = x[r] == nullptr || col >= cols ? Vec::zero() : load_n(x[r] + col, cols - col);
  }
  transpose(rows);
}

/// 16 columns of codes, signed or + 128, four columns to a lane.
inline void store_int8_columns(const Vec (&codes)[16], uint8_t* out) {
  for (int i = 0; i < 16; i += 4) {
    __m512i word = _mm512_setzero_si512();
    for (int j = 0; j < 4; ++j) {
      const __m512i code =
          _mm512_and_si512(_mm512_cvtps_epi32(codes[i + j].v), _mm512_set1_epi32(255));
      word = _mm512_or_si512(word, _mm512_slli_epi32(code, static_cast<unsigned>(8 * j)));
    }
    // + 128 to a byte flips its highest bit.
    if constexpr (!kSignedCodes) {
      word = _mm512_xor_si512(word, _mm512_set1_epi32(static_cast<int>(0x80808080u)));
    }
    _mm512_storeu_si512(out + i * kPanelTokens, word);
  }
}

/// What fp8_scales() and int8_scales() find, of n columns [n][16].
inline PanelScales lane_scales(PanelForm form, const float* columns, int64_t n, bool power_of_2) {
  PanelScales s{};
  if (form == PanelForm::kBf16 || n <= 0) return s;
  Vec amax = Vec::zero(), bad = Vec::zero();
  for (int64_t i = 0; i < n; ++i) {
    const Vec v = Vec::load(columns + i * kPanelTokens);
    amax = max(abs(v), amax);
    bad = bad + v * Vec::zero();  // NaN for NaN and infinity
  }
  if (form == PanelForm::kFp8) {
    scales_of(amax, kE4m3Max, power_of_2).store(s.scale);
    return s;
  }
  (amax / Vec::set1(127.0f) + bad).store(s.scale);
  for (int i = 0; i < 16; ++i) {
    const GroupScale g = group_scale_of(s.scale[i]);
    s.scale[i] = g.scale;
    s.inverse[i] = g.inverse;
  }
  return s;
}

/// Stores the scales of columns [col, col + n) of 16 rows into `scale`; n is 0 in padding.
inline void store_panel_scales(const PanelScales& s, const PackPanelsArgs& a, int64_t col,
                               int64_t n, float* scale) {
  if (n <= 0 || a.form == PanelForm::kBf16) return;
  __builtin_memcpy(scale + col / a.group * kPanelTokens, s.scale, sizeof s.scale);
}

/// Stores 16 columns from `col` on into a panel; rows[i] is column col + i of 16 tokens.
inline void store_panel_columns(PanelForm form, const PanelScales& s, Vec (&rows)[16], int64_t col,
                                uint8_t* panel) {
  if (form == PanelForm::kInt8) {
    const Vec inverse = Vec::load(s.inverse);
    for (Vec& v : rows) {
      const Vec code = max(min(v * inverse, Vec::set1(127.0f)), Vec::set1(-127.0f));
      v = code;  // rounded to nearest even by the conversion
    }
    return store_int8_columns(rows, panel + col * kPanelTokens);
  }
  if (form == PanelForm::kFp8) {
    for (Vec& v : rows) v = round_to_e4m3(v / Vec::load(s.scale));
  }
  uint16_t* numbers = reinterpret_cast<uint16_t*>(panel) + col * kPanelTokens;
  for (int i = 0; i < 16; i += 2) {
    PanelBf16::store_step(rows[i], rows[i + 1], numbers + i * kPanelTokens);
  }
}

/// scale * the sum of each token's codes, of `n` columns that were stored from `codes` on.
inline void store_group_sums(const uint8_t* codes, int64_t n, const PanelScales& s, float* out) {
  // Bytes without sign are multiplied with 1: 128 is taken back for each.
  const __m512i ones = _mm512_set1_epi8(1);
  __m512i sum = _mm512_set1_epi32(static_cast<int>(-128 * n));
  for (int64_t k = 0; k < n; k += 4) {
    sum = _mm512_dpbusd_epi32(sum, _mm512_loadu_si512(codes + k * kPanelTokens), ones);
  }
  (Vec{_mm512_cvtepi32_ps(sum)} * Vec::load(s.scale)).store(out);
}

void pack_panel(const PackPanelsArgs& a, int64_t panel) {
  const float* x[16] = {};
  for (int r = 0; r < a.panel_rows[panel]; ++r) {
    const int64_t row = a.first_row[panel] + r;
    x[r] = a.x + (a.ids != nullptr ? a.ids[row] : row) * a.x_stride;
  }
  uint8_t* out = a.out + panel * panel_bytes(a.form, a.k_padded);
  float* scale = a.scale == nullptr ? nullptr : a.scale + panel * panel_scales(a.cols, a.group);
  for (int64_t g = 0; g < a.k_padded; g += a.group) {
    const int64_t n = min(a.group, a.cols - g);
    PanelScales s{};
    if (a.form != PanelForm::kBf16 && n > 0) {
      s = a.form == PanelForm::kFp8 ? fp8_scales(x, n, g, a.power_of_2) : int8_scales(x, n, g);
    }
    store_panel_scales(s, a, g, n, scale);
    for (int64_t col = g; col < g + a.group; col += 16) {
      Vec rows[16];
      load_transposed_rows(x, a.cols, col, rows);
      store_panel_columns(a.form, s, rows, col, out);
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

// ---- Decoded weights

/// 64 packed codes as signed bytes.
template <int kBits>
inline __m512i signed_codes(const uint8_t* w) {
  const __m512i offset = _mm512_set1_epi8(static_cast<char>(1 << (kBits - 1)));
  if constexpr (kBits == 8) return _mm512_sub_epi8(_mm512_loadu_si512(w), offset);
  const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(w));
  const __m512i pairs = _mm512_cvtepu8_epi16(bytes);
  const __m512i codes =
      _mm512_and_si512(_mm512_or_si512(pairs, _mm512_slli_epi16(pairs, 4)), _mm512_set1_epi8(15));
  return _mm512_sub_epi8(codes, offset);
}

/// The next block's weights, fetched a few lines at a time between tiles.
struct NextBlock {
  const char* at;
  const char* end;
  int64_t lines_a_tile;

  /// `rows` of them from `row` on, over `tiles` tiles.
  NextBlock(const PanelLinearArgs& a, int64_t row, int64_t rows, int64_t tiles) {
    const int64_t row_bytes = stored_row_bytes(a.w_type, a.in), bytes = rows * row_bytes;
    at = static_cast<const char*>(a.w) + row * row_bytes;
    end = at + bytes;
    lines_a_tile = bytes / 64 / tiles + 1;
  }
  void fetch() {
    const char* line = at;
    const char* last = end - at < 64 * lines_a_tile ? end : at + 64 * lines_a_tile;
    for (; line < last; line += 64) __builtin_prefetch(line, 0, 2);
    at = line;
  }
};

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
