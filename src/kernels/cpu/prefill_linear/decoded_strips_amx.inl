#pragma once
// What tiles multiply and what becomes of their sums (row_blocks_amx.inl): kinds of weights, strips
// of decoded rows, scaled sums, and the rows that come next.
#include "kernels/cpu/isa/tiles_amx.h"
#include "kernels/cpu/prefill_linear/panels_dot.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

/// A block of tiles has two rows of three or, of more tokens, one row of six: then what a row of
/// weights costs to decode serves more products. kAmxRows rows are multiplied with a chunk of the
/// tokens' panels, one block after the other.
constexpr int64_t kBlockRows = 2 * kTileRows, kBlockPanels = 3, kAmxRows = 64;
constexpr int64_t kWidePanels = 2 * kBlockPanels;
constexpr int64_t kBlockNumbers = kBlockRows * kBlockPanels * kPanelTokens;
static_assert(kAmxRows <= kPanelRowBlock);  // of the scratch
static_assert(kGatedRows % kBlockRows == 0 && kGatedBlockRows % kBlockRows == 0);
constexpr int64_t kStripColumns = 64, kChunkColumns = 2 * kStripColumns;
/// Tokens whose panels the second-level cache holds while all rows of weights pass.
constexpr int64_t kTokenGroup = 2 * kWidePanels * kPanelTokens;

/// What tiles multiply: kSpan columns are summed before they are scaled, a product has kStep.
struct AmxBf16 {
  using Number = float;
  static constexpr bool kScaled = false;
  static constexpr int64_t kColumnBytes = 2, kSpan = kChunkColumns, kStep = 32, kStoredBits = 16;
  static constexpr int kStoredZero = 0;
};
struct AmxFp8 : AmxBf16 {
  static constexpr bool kScaled = true;
  static constexpr int64_t kStoredBits = 8;
  static_assert(kSpan == kScaleBlock);
};
template <int kBits, int64_t kGroup>
struct AmxInteger {
  using Number = int32_t;
  static constexpr bool kScaled = true;
  static constexpr int64_t kColumnBytes = 1, kSpan = kGroup, kStep = min(kGroup, 64);
  static constexpr int64_t kStoredBits = kBits;
  static constexpr int kStoredZero = kBits == 8 ? 0x80 : 0x88;
};

constexpr int64_t kStripRow = 64, kStripHalf = kBlockRows * kStripRow;  // bytes

/// Decodes 64 columns of a row of weights into its row of a strip: 64 bytes, or two times 32 BF16
/// that are kStripHalf bytes apart.
template <typename Kind>
struct StripDecoder;

template <>
struct StripDecoder<AmxBf16> {
  [[gnu::always_inline]] void decode(const uint8_t* w, uint8_t* out) {
    _mm512_store_si512(out, _mm512_loadu_si512(w));
    _mm512_store_si512(out + kStripHalf, _mm512_loadu_si512(w + 64));
  }
  void correct(const uint8_t*, int64_t, int64_t, uint8_t*) {}
};

template <>
struct StripDecoder<AmxFp8> {
  E4m3Shifter shifter;

  [[gnu::always_inline]] void decode(const uint8_t* w, uint8_t* out) {
    store_row(shifter.shift(w), out);
  }
  /// Takes the rows decoded since the last call from the table instead, if a shift was wrong for
  /// one of their codes.
  [[gnu::always_inline]] void correct(const uint8_t* w, int64_t stride, int64_t rows,
                                      uint8_t* out) {
    if (shifter.was_right()) [[likely]]
      return;
    decode_by_table(w, stride, rows, out);
  }

 private:
  [[gnu::always_inline]] static void store_row(DotBf16::Operand row, uint8_t* out) {
    _mm512_store_si512(out, row.first);
    _mm512_store_si512(out + kStripHalf, row.second);
  }
  /// Right for every code, zeros, subnormals and NaN included; rare, so kept out of the loop.
  [[gnu::noinline]] static void decode_by_table(const uint8_t* w, int64_t stride, int64_t rows,
                                                uint8_t* out) {
    for (int64_t r = 0; r < rows; ++r) {
      store_row(DotBf16::look_up_scaled(w + r * stride), out + r * kStripRow);
    }
  }
};

template <int kBits, int64_t kGroup>
struct StripDecoder<AmxInteger<kBits, kGroup>> {
  [[gnu::always_inline]] void decode(const uint8_t* w, uint8_t* out) {
    _mm512_store_si512(out, signed_codes<kBits>(w));
  }
  void correct(const uint8_t*, int64_t, int64_t, uint8_t*) {}
};

alignas(64) constexpr float kOnes[kPanelTokens] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

/// What becomes of a block of tiles of sums: total += x_scale * w_scale * sums.
template <typename Number>
struct ScaledSums {
  float* total = nullptr;        // [2][3][16][16]; nullptr: nothing
  __mmask16 before = 0xffff;     // 0: total is 0 and not yet written
  const float* x_scale = kOnes;  // [panels][16], x_scale_panel from one to the next
  int64_t x_scale_panel = 0;
  const float* w_scale = kOnes;  // [rows]; FP8: one for all

  /// kRows rows of a tile, from `first` on.
  template <int kRows>
  [[gnu::always_inline]] inline void add(const Number* sums, int tile_row, int panel,
                                         int first) const {
    const int64_t at = (tile_row * kBlockPanels + panel) * kTileNumbers + first * kPanelTokens;
    const Number* from = sums + at;
    float* to = total + at;
    Vec scale = Vec::load(x_scale + panel * x_scale_panel);
    if constexpr (__is_same(Number, float)) {
      scale = scale * Vec::set1(*w_scale * (1.0f / kE4m3Bf16Scale));
    }
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r, from += kPanelTokens, to += kPanelTokens) {
      if constexpr (__is_same(Number, float)) {
        fma(Vec::load(from), scale, Vec{_mm512_maskz_loadu_ps(before, to)}).store(to);
      } else {
        const Vec sum = {_mm512_cvtepi32_ps(_mm512_load_si512(from))};
        const Vec w = Vec::set1(w_scale[tile_row * kTileRows + first + r]);
        fma(sum, scale * w, Vec{_mm512_maskz_loadu_ps(before, to)}).store(to);
      }
    }
  }
};

/// Rows of a matrix of weights.
struct WeightRows {
  const uint8_t* w = nullptr;
  int64_t rows = 0;
  const float* scale = nullptr;           // FP8: of the row of blocks they lie in
  const uint16_t* group_scale = nullptr;  // packed integers: of the first row

  WeightRows() = default;
  WeightRows(const PanelLinearArgs& a, int64_t row, int64_t count)
      : w(static_cast<const uint8_t*>(a.w) + row * stored_row_bytes(a.w_type, a.in)), rows(count) {
    if (a.w_scale != nullptr) {
      scale = a.w_scale + (a.w_row_offset + row) / kScaleBlock * a.w_scale_stride;
    }
    if (a.w_groups.data != nullptr) group_scale = a.w_groups.data + row * a.w_groups.stride;
  }
};

/// Rows of weights that follow, fetched from memory meanwhile: of up to two matrices.
struct NextRows {
  const char* at;
  const char* end;
  const char* second = nullptr;
  int64_t second_bytes = 0;

  NextRows(const WeightRows& next, int64_t row_bytes)
      : at(reinterpret_cast<const char*>(next.w)), end(at + next.rows * row_bytes) {}
  NextRows(const WeightRows& next, const WeightRows& then, int64_t row_bytes)
      : NextRows(next, row_bytes) {
    second = reinterpret_cast<const char*>(then.w);
    second_bytes = then.rows * row_bytes;
  }
  /// Is there anything left at `from`, which is at the end or beyond?
  bool go_on(const char*& from) {
    if (second_bytes == 0) return false;
    from = second;
    end = second + second_bytes;
    second_bytes = 0;
    return true;
  }
};

/// Codes of any type that a shift decodes, for when no strip is decoded beside the products.
struct AnyCodes {
  uint8_t bytes[2 * kStripColumns];
  constexpr AnyCodes() : bytes() {
    for (uint8_t& code : bytes) code = 0x38;
  }
};
alignas(64) constexpr AnyCodes kAnyCodes;

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
