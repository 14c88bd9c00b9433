// Tiles of token_panels.inl in AMX's tile registers: up to 32 rows of weights x 32 tokens.
#include "kernels/cpu/amx.h"
#include "kernels/cpu/token_tile.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

constexpr int kAmxRows = 16;
constexpr int64_t kAmxNumbers = kAmxRows * kPanelTokens;  // of a tile of results

/// Sums [rows][tokens] of R x P tiles to y, of which `rows` and `tokens` are wanted.
template <int R, int P>
inline void store_sums(const float* sums, const TokenTile& t, int64_t rows, int64_t tokens) {
  for (int r = 0; r < R; ++r) {
    const int64_t wanted = smaller(kAmxRows, rows - r * kAmxRows);
    const __mmask16 mask = static_cast<__mmask16>((1u << wanted) - 1);
    for (int p = 0; p < P; ++p) {
      Vec turned[kAmxRows];
      for (int i = 0; i < kAmxRows; ++i) {
        turned[i] = Vec::load(sums + (r * P + p) * kAmxNumbers + i * kPanelTokens);
      }
      transpose(turned);
      const int64_t count = smaller(kPanelTokens, tokens - p * kPanelTokens);
      float* y = t.y + p * kPanelTokens * t.y_stride + r * kAmxRows;
      for (int64_t i = 0; i < count; ++i) {
        _mm512_mask_storeu_ps(y + i * t.y_stride, mask, turned[i].v);
      }
    }
  }
}

/// The tiles' products over columns [begin, end), from zero; 32 BF16 numbers a step.
template <int R, int P>
inline void multiply_bf16(const TokenTile& t, int64_t begin, int64_t end) {
  using Block = TileBlock<R, P>;
  Block::zero();
  for (int64_t k = begin; k < end; k += 32) {
    Block::load(t.w + 2 * k, t.w_stride, kAmxRows * t.w_stride, t.x + 2 * k * kPanelTokens,
                t.x_panel);
    Block::add_bf16();
  }
}

template <int R, int P>
void amx_bf16_tile(const TokenTile& t, int64_t rows, int64_t tokens) {
  alignas(64) float sums[R * P * kAmxNumbers];
  multiply_bf16<R, P>(t, 0, t.k);
  TileBlock<R, P>::store(sums);
  store_sums<R, P>(sums, t, rows, tokens);
}

template <int R, int P>
void amx_fp8_tile(const TokenTile& t, int64_t rows, int64_t tokens) {
  alignas(64) float total[R * P * kAmxNumbers] = {}, sums[R * P * kAmxNumbers];
  for (int64_t k = 0; k < t.k; k += kScaleBlock) {
    multiply_bf16<R, P>(t, k, k + kScaleBlock);
    TileBlock<R, P>::store(sums);
    const int64_t block = k / kScaleBlock;
    Vec scale[P];
    for (int p = 0; p < P; ++p) {
      scale[p] = Vec::set1(t.w_scale[block]);
      if (t.x_scale == nullptr) continue;
      scale[p] = scale[p] * Vec::load(t.x_scale + p * t.x_scale_panel + block * kPanelTokens);
    }
    for (int tile = 0; tile < R * P; ++tile) {
      float* to = total + tile * kAmxNumbers;
      const float* from = sums + tile * kAmxNumbers;
#pragma GCC unroll 16
      for (int i = 0; i < kAmxNumbers; i += kPanelTokens) {
        fma(Vec::load(from + i), scale[tile % P], Vec::load(to + i)).store(to + i);
      }
    }
  }
  store_sums<R, P>(total, t, rows, tokens);
}

/// total[16][16] += sums * the tokens' scales * the rows' own.
inline void add_scaled_integers(const int32_t* sums, Vec x_scale, const float* w_scale,
                                float* total) {
#pragma GCC unroll 16
  for (int r = 0; r < kAmxRows; ++r) {
    const Vec scale = x_scale * Vec::set1(w_scale[r]);
    const Vec sum = {_mm512_cvtepi32_ps(_mm512_load_si512(sums + r * kPanelTokens))};
    float* to = total + r * kPanelTokens;
    fma(sum, scale, Vec::load(to)).store(to);
  }
}

/// kGroup: columns of a scale; a step of K is a group of 32, or half of one of 128.
template <int kGroup, int R, int P>
void amx_int8_tile(const TokenTile& t, int64_t rows, int64_t tokens) {
  using Block = TileBlock<R, P>;
  constexpr int64_t kStep = kGroup < 64 ? kGroup : 64;
  alignas(64) float total[R * P * kAmxNumbers] = {};
  alignas(64) int32_t sums[R * P * kAmxNumbers];
  const uint16_t* row_scale[R * kAmxRows];  // rows that are not there repeat the last
  for (int r = 0; r < R * kAmxRows; ++r) {
    row_scale[r] = t.w_group_scale + smaller(r, rows - 1) * t.w_group_stride;
  }
  for (int64_t k = 0; k < t.k; k += kGroup) {
    Block::zero();
    for (int64_t i = k; i < k + kGroup; i += kStep) {
      Block::load(t.w + i, t.w_stride, kAmxRows * t.w_stride, t.x + i * kPanelTokens, t.x_panel);
      Block::add_int8();
    }
    Block::store(sums);
    const int64_t group = k / kGroup;
    float w_scale[R * kAmxRows];
    for (int r = 0; r < R * kAmxRows; ++r) w_scale[r] = bf16_to_f32(row_scale[r][group]);
    for (int p = 0; p < P; ++p) {
      const Vec x_scale = Vec::load(t.x_scale + p * t.x_scale_panel + group * kPanelTokens);
      for (int r = 0; r < R; ++r) {
        const int tile = r * P + p;
        add_scaled_integers(sums + tile * kAmxNumbers, x_scale, w_scale + r * kAmxRows,
                            total + tile * kAmxNumbers);
      }
    }
  }
  store_sums<R, P>(total, t, rows, tokens);
}

/// How token_panels.inl multiplies a tile.
struct TokenTiles {
  static constexpr bool kSignedCodes = true;
  static constexpr int64_t kTokens = 2 * kPanelTokens;
  static constexpr int64_t kWholeRows = kAmxRows;  // decoded rows come in multiples of this

  TokenTiles(PanelForm form, int64_t columns)
      : registers(form == PanelForm::kInt8 && columns < 64 ? static_cast<int>(columns) : 64),
        group(columns) {}

  static int64_t rows(PanelForm) { return 2 * kAmxRows; }

  template <int R, int P>
  void multiply_block(const TokenTile& t, WeightType type, int64_t rows, int64_t tokens) const {
    order_memory();
    switch (type) {
      case WeightType::kF32:
        return;  // has no panels
      case WeightType::kBf16:
        return amx_bf16_tile<R, P>(t, rows, tokens);
      case WeightType::kFp8E4m3:
        return amx_fp8_tile<R, P>(t, rows, tokens);
      case WeightType::kInt8:
      case WeightType::kInt4:
        return group == 32 ? amx_int8_tile<32, R, P>(t, rows, tokens)
                           : amx_int8_tile<128, R, P>(t, rows, tokens);
    }
  }

  /// At most rows() rows and kTokens tokens.
  void multiply(const TokenTile& t, WeightType type, int64_t rows, int64_t tokens) const {
    const bool tall = rows > kAmxRows, wide = tokens > kPanelTokens;
    if (tall && wide) return multiply_block<2, 2>(t, type, rows, tokens);
    if (tall) return multiply_block<2, 1>(t, type, rows, tokens);
    if (wide) return multiply_block<1, 2>(t, type, rows, tokens);
    multiply_block<1, 1>(t, type, rows, tokens);
  }

  TileRegisters registers;
  int64_t group;
};

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
