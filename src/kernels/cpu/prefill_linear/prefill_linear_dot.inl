#pragma once
// Tiles in vector registers: rows of weights are broadcast, tokens are lanes. A block of weight
// rows is decoded whole and multiplied with 48 tokens at a time, whose panels stay in the
// second-level cache.
//
// Invariant: y[t, o] is one accumulator that adds K in rising order (with scales: one for each
// group and one for the total), whatever the tile. So it depends on no other token.
#include "kernels/cpu/isa/bf16_span.inl"
#include "kernels/cpu/prefill_linear/decode_rows_dot.inl"
#include "kernels/cpu/prefill_linear/panels_dot.inl"
#include "kernels/cpu/quantize/integer_rows.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

/// From the tile's first row and first token on.
struct TokenTile {
  const uint8_t* x;
  int64_t x_panel;                // bytes from a panel to the next
  const float* x_scale;   // nullptr: 1
  const float* x_sum;     // beside minima: x_scale times the sums of the groups' codes
  int64_t x_scale_panel;  // floats, of both
  const uint8_t* w;       // decoded rows
  int64_t w_stride;       // bytes
  const float* w_scale;   // FP8: of this row of blocks
  DecodedGroups groups;   // integers: of row 0
  int64_t k, group;
  float* y;
  int64_t y_stride;
};

/// A tile: rows of weights x panels of tokens. 24 accumulators; with groups as small as 32 columns
/// the totals must stay in registers too.
constexpr int kTileRows = 8, kTilePanels = 3;
constexpr int kInt8TileRows = 4;

/// Results of R rows x P panels to y, of which `rows` and `tokens` are wanted.
template <int R, int P>
inline void store_tile(const Vec (&total)[R][P], const TokenTile& t, int64_t rows, int64_t tokens) {
  for (int p = 0; p < P; ++p) {
    Vec block[16];
    for (int r = 0; r < 16; ++r) block[r] = r < R ? total[r][p] : Vec::zero();
    transpose(block);
    const int64_t count = min(kPanelTokens, tokens - p * kPanelTokens);
    for (int64_t i = 0; i < count; ++i) {
      float* y = t.y + (p * kPanelTokens + i) * t.y_stride;
      _mm512_mask_storeu_ps(y, static_cast<__mmask16>((1u << rows) - 1), block[i].v);
    }
  }
}

inline Bf16Operands operands(const TokenTile& t) { return {t.x, t.x_panel, t.w, t.w_stride}; }

template <int P>
void bf16_tile(const TokenTile& t, int64_t rows, int64_t tokens) {
  Vec acc[kTileRows][P];
  clear(acc);
  add_bf16_span(operands(t), 0, t.k, acc);
  store_tile(acc, t, rows, tokens);
}

template <int P>
void fp8_tile(const TokenTile& t, int64_t rows, int64_t tokens) {
  alignas(64) Vec total[kTileRows][P];
  clear(total);
  for (int64_t k = 0; k < t.k; k += kScaleBlock) {
    Vec acc[kTileRows][P];
    clear(acc);
    add_bf16_span(operands(t), k, k + kScaleBlock, acc);
    const int64_t block = k / kScaleBlock;
    const Vec w_scale = Vec::set1(t.w_scale[block] / kE4m3Bf16Scale);
#pragma GCC unroll 4
    for (int p = 0; p < P; ++p) {
      const Vec scale =
          t.x_scale == nullptr
              ? w_scale
              : w_scale * Vec::load(t.x_scale + p * t.x_scale_panel + block * kPanelTokens);
#pragma GCC unroll 8
      for (int r = 0; r < kTileRows; ++r) total[r][p] = fma(acc[r][p], scale, total[r][p]);
    }
  }
  store_tile(total, t, rows, tokens);
}

template <int P, bool kMinima>
void int8_tile(const TokenTile& t, int64_t rows, int64_t tokens) {
  constexpr int R = kInt8TileRows;
  Vec total[R][P];
  clear(total);
  const uint8_t* x = t.x;
  for (int64_t g = 0; g * t.group < t.k; ++g) {
    __m512i acc[R][P];
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      const __m512i start = _mm512_set1_epi32(t.groups.starts[r * t.groups.stride + g]);
#pragma GCC unroll 4
      for (int p = 0; p < P; ++p) acc[r][p] = start;
    }
    const uint8_t* w = t.w + g * t.group;
    for (int64_t k = 0; k < t.group; k += 4, x += 4 * kPanelTokens, w += 4) {
      __m512i codes[P];
#pragma GCC unroll 4
      for (int p = 0; p < P; ++p) codes[p] = _mm512_loadu_si512(x + p * t.x_panel);
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) {
        int32_t four;
        __builtin_memcpy(&four, w + r * t.w_stride, sizeof four);
        const __m512i weights = _mm512_set1_epi32(four);
#pragma GCC unroll 4
        for (int p = 0; p < P; ++p) acc[r][p] = _mm512_dpbusd_epi32(acc[r][p], codes[p], weights);
      }
    }
#pragma GCC unroll 4
    for (int p = 0; p < P; ++p) {
      const int64_t of_group = p * t.x_scale_panel + g * kPanelTokens;
      const Vec x_scale = Vec::load(t.x_scale + of_group);
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) {
        const int64_t of_row = r * t.groups.stride + g;
        const Vec scale = x_scale * Vec::set1(t.groups.scales[of_row]);
        total[r][p] = fma(Vec{_mm512_cvtepi32_ps(acc[r][p])}, scale, total[r][p]);
        if constexpr (kMinima) {
          total[r][p] =
              fma(Vec::load(t.x_sum + of_group), Vec::set1(t.groups.minima[of_row]), total[r][p]);
        }
      }
    }
  }
  store_tile(total, t, rows, tokens);
}

template <int P>
void multiply_tile_of(const TokenTile& t, WeightType type, int64_t rows, int64_t tokens) {
  switch (type) {
    case WeightType::kF32:
      return;  // has no panels
    case WeightType::kBf16:
      return bf16_tile<P>(t, rows, tokens);
    case WeightType::kFp8E4m3:
      return fp8_tile<P>(t, rows, tokens);
    case WeightType::kInt8:
    case WeightType::kInt4:
      return t.x_sum != nullptr ? int8_tile<P, true>(t, rows, tokens)
                                : int8_tile<P, false>(t, rows, tokens);
  }
}

/// Decoded rows [0, rows) of one block against all tokens.
void multiply_block(const PanelLinearArgs& a, TokenTile t, int64_t rows, int64_t next_row,
                    int64_t next_rows) {
  const int64_t tile_rows = a.form == PanelForm::kInt8 ? kInt8TileRows : kTileRows;
  const TokenTile first = t;
  constexpr int64_t kTokens = kTilePanels * kPanelTokens;
  const int64_t tiles = (a.tokens + kTokens - 1) / kTokens * ((rows + tile_rows - 1) / tile_rows);
  NextBlock next(a, next_row, next_rows, tiles);
  for (int64_t token = 0; token < a.tokens; token += kTokens) {
    const int64_t tokens = min(kTokens, a.tokens - token), panel = token / kPanelTokens;
    t.x = first.x + panel * t.x_panel;
    if (first.x_scale != nullptr) t.x_scale = first.x_scale + panel * t.x_scale_panel;
    if (first.x_sum != nullptr) t.x_sum = first.x_sum + panel * t.x_scale_panel;
    for (int64_t row = 0; row < rows; row += tile_rows) {
      t.w = first.w + row * t.w_stride;
      t.groups = first.groups.from(row);
      t.y = first.y + token * t.y_stride + row;
      const int64_t count = min(tile_rows, rows - row);
      next.fetch();
      if (tokens > 2 * kPanelTokens) {
        multiply_tile_of<3>(t, a.w_type, count, tokens);
      } else if (tokens > kPanelTokens) {
        multiply_tile_of<2>(t, a.w_type, count, tokens);
      } else {
        multiply_tile_of<1>(t, a.w_type, count, tokens);
      }
    }
  }
}

/// Rows [begin, end) of w. scratch: panel_scratch_bytes().
void panel_linear_rows(const PanelLinearArgs& a, int64_t begin, int64_t end, void* scratch) {
  const bool integers = a.form == PanelForm::kInt8;
  // Rows a power of two apart would share a few sets of the first-level cache: a line between them.
  const int64_t stride = a.k_padded * (integers ? 1 : 2) + 64;
  const int64_t groups = integers ? (a.in + a.w_groups.group - 1) / a.w_groups.group : 0;
  uint8_t* decoded = static_cast<uint8_t*>(scratch);
  const DecodedGroups of_rows(decoded + kPanelRowBlock * stride, groups);
  for (int64_t row = begin, rows; row < end; row += rows) {
    rows = block_rows(a, row, end, kPanelRowBlock);
    for (int64_t r = 0; r < rows; ++r) {
      decode_panel_row(a, row + r, decoded + r * stride, of_rows.from(r));
    }
    // Tiles are whole: what they compute beyond the rows is not stored, but must be numbers.
    for (int64_t r = rows; r % kTileRows != 0; ++r) {
      __builtin_memset(decoded + r * stride, 0, static_cast<Size>(stride));
      of_rows.from(r).clear_row();
    }
    TokenTile t{};
    t.x = a.x;
    t.x_panel = panel_bytes(a.form, a.k_padded);
    t.x_scale = a.x_scale;
    t.w = decoded;
    t.w_stride = stride;
    t.k = integers ? groups * a.w_groups.group : a.k_padded;
    t.y = a.y + row;
    t.y_stride = a.y_stride;
    t.groups = of_rows;
    if (integers) {
      t.group = a.w_groups.group;
      t.x_sum = a.x_sum;
      t.x_scale_panel = panel_scales(a.in, t.group);
    } else {
      t.x_scale_panel = panel_scales(a.in, kScaleBlock);
      if (a.w_scale != nullptr) {
        t.w_scale = a.w_scale + (a.w_row_offset + row) / kScaleBlock * a.w_scale_stride;
      }
    }
    multiply_block(a, t, rows, row + rows, min(kPanelRowBlock, end - row - rows));
  }
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
