// Tiles in AMX's tile registers: 32 rows of weights x 48 tokens. Tiles take 64 bytes a row and
// cycle, so operands must come from the first-level cache, and whatever passes between it and the
// second level costs about two cycles a line. So rows of weights are decoded a slab of 64 columns
// at a time, two of which the first-level cache holds; a chunk of the tokens' panels stays there
// for kAmxRows rows of weights, and so do their sums. Vectors and tiles work at once: between
// products the next slab is decoded, and the sums of the block before are scaled.
//
// Invariant: y[t, o] is one accumulator that meets K in steps of 64 bytes (with scales: one for
// each group and one for the total), whatever the tile. So it depends on no other token.
#include "kernels/cpu/amx.h"
#include "kernels/cpu/row_product.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

constexpr int kTileRows = 16;                               // of a tile
constexpr int64_t kTileNumbers = kTileRows * kPanelTokens;  // of a tile of results
/// A block of tiles, and rows of weights that meet a chunk of its panels one block after the other.
constexpr int64_t kBlockRows = 2 * kTileRows, kBlockPanels = 3, kAmxRows = 64;
constexpr int64_t kBlockNumbers = kBlockRows * kBlockPanels * kPanelTokens;
static_assert(kAmxRows <= kPanelRowBlock);  // of the scratch
constexpr int64_t kSlabColumns = 64, kChunkColumns = 2 * kSlabColumns;
/// Tokens whose panels the second-level cache holds while all rows of weights pass.
constexpr int64_t kTokenGroup = 4 * kBlockPanels * kPanelTokens;

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
  static constexpr int64_t kColumnBytes = 1, kSpan = kGroup, kStep = smaller(kGroup, 64);
  static constexpr int64_t kStoredBits = kBits;
  static constexpr int kStoredZero = kBits == 8 ? 0x80 : 0x88;
};

constexpr int64_t kSlabRow = 64, kSlabHalf = kBlockRows * kSlabRow;  // bytes

/// 64 columns of a row of weights, to the row's place in a slab: 64 bytes, or two times 32 BF16
/// that are kSlabHalf bytes apart. `others` is not 0 where that is wrong for E4M3 codes among them:
/// look_up_slab_rows() is right.
inline void decode_slab_row(AmxBf16, const uint8_t* w, uint8_t* out, __mmask64& /*others*/) {
  _mm512_store_si512(out, _mm512_loadu_si512(w));
  _mm512_store_si512(out + kSlabHalf, _mm512_loadu_si512(w + 64));
}
inline void decode_slab_row(AmxFp8, const uint8_t* w, uint8_t* out, __mmask64& others) {
  const DotBf16::Operand v = DotBf16::move_scaled(w, others);
  _mm512_store_si512(out, v.first);
  _mm512_store_si512(out + kSlabHalf, v.second);
}
template <int kBits, int64_t kGroup>
inline void decode_slab_row(AmxInteger<kBits, kGroup>, const uint8_t* w, uint8_t* out,
                            __mmask64& /*others*/) {
  _mm512_store_si512(out, signed_codes<kBits>(w));
}
[[gnu::noinline]] inline void look_up_slab_rows(const uint8_t* w, int64_t stride, int64_t rows,
                                                uint8_t* out) {
  for (int64_t r = 0; r < rows; ++r, w += stride, out += kSlabRow) {
    const DotBf16::Operand v = DotBf16::look_up_scaled(w);
    _mm512_store_si512(out, v.first);
    _mm512_store_si512(out + kSlabHalf, v.second);
  }
}

/// Unscaled sums of a block of tiles, and where they go: total += x_scale * w_scale * sums.
template <typename Number>
struct WaitingSums {
  const Number* sums;  // [tiles][16][16]
  float* total;
  const float* x_scale;  // [panels][16], or nullptr: 1
  int64_t x_scale_panel;
  const float* w_scale;           // [rows]; FP8: one for all
  int64_t panels = 1, tiles = 0;  // wanted of kBlockPanels in a row, and together

  /// Tiles [first, last) of those that are wanted.
  void add(int64_t first, int64_t last) const {
    for (int64_t i = first; i < last; ++i) i < panels ? add_tile(0, i) : add_tile(1, i - panels);
  }

 private:
  // A call of its own: within each block of tiles it would take a sanitised build minutes.
  [[gnu::noinline]] void add_tile(int64_t tile_row, int64_t panel) const {
    const int64_t row = tile_row * kTileRows, tile = tile_row * kBlockPanels + panel;
    const Number* from = sums + tile * kTileNumbers;
    float* to = total + tile * kTileNumbers;
    Vec scale = Vec::set1(1.0f);
    if (x_scale != nullptr) scale = Vec::load(x_scale + panel * x_scale_panel);
    if constexpr (__is_same(Number, float)) {
      scale = scale * Vec::set1(*w_scale / kE4m3Bf16Scale);
    }
#pragma GCC unroll 16
    for (int r = 0; r < kTileRows; ++r, from += kPanelTokens, to += kPanelTokens) {
      if constexpr (__is_same(Number, float)) {
        fma(Vec::load(from), scale, Vec::load(to)).store(to);
      } else {
        const Vec sum = {_mm512_cvtepi32_ps(_mm512_load_si512(from))};
        fma(sum, scale * Vec::set1(w_scale[row + r]), Vec::load(to)).store(to);
      }
    }
  }
};

/// Sums [tiles][16][16] to y, of which `rows` and `tokens` are wanted.
inline void store_sums(const float* sums, int64_t rows, int64_t tokens, float* y,
                       int64_t y_stride) {
  for (int64_t row = 0; row < rows; row += kTileRows, sums += kBlockPanels * kTileNumbers) {
    const int64_t wanted = smaller(kTileRows, rows - row);
    const __mmask16 mask = static_cast<__mmask16>((1u << wanted) - 1);
    for (int64_t token = 0; token < tokens; token += kPanelTokens) {
      Vec turned[kTileRows];
      for (int i = 0; i < kTileRows; ++i) {
        turned[i] = Vec::load(sums + token * kTileRows + i * kPanelTokens);
      }
      transpose(turned);
      const int64_t count = smaller(kPanelTokens, tokens - token);
      for (int64_t i = 0; i < count; ++i) {
        _mm512_mask_storeu_ps(y + (token + i) * y_stride + row, mask, turned[i].v);
      }
    }
  }
}

/// kAmxRows rows of weights or fewer, times blocks of tokens.
template <typename Kind>
class AmxRows {
 public:
  using Number = typename Kind::Number;

  AmxRows(const PanelLinearArgs& a, int64_t row, int64_t rows, NextBlock& next, void* scratch)
      : a_(a), row_(row), rows_(rows), row_bytes_(stored_row_bytes(a.w_type, a.in)), next_(next) {
    uint8_t* at = static_cast<uint8_t*>(scratch);
    for (uint8_t*& slab : slabs_) {
      slab = at;
      at += kSlabBytes;
    }
    unscaled_ = reinterpret_cast<Number*>(at);
    sums_ = reinterpret_cast<float*>(at) + kBlockNumbers;
    scales_ = sums_ + kAmxRows / kBlockRows * kBlockNumbers;
    if constexpr (kIntegers) turn_scales();
    waiting_.sums = unscaled_;
    waiting_.x_scale_panel = panel_scales(a.in, group());
  }

  /// Tokens [first, first + count), `first` from a panel on, of kBlockPanels panels or fewer.
  void run(int64_t first, int64_t count) {
    const int64_t panel = first / kPanelTokens;
    x_ = a_.x + panel * panel_bytes(a_.form, a_.k_padded);
    if (a_.x_scale != nullptr) x_scale_ = a_.x_scale + panel * waiting_.x_scale_panel;
    for (int64_t i = 0; i < kAmxRows / kBlockRows * kBlockNumbers; i += kPanelTokens) {
      Vec::zero().store(sums_ + i);
    }
    decode_from(0, 0);
    decode_rows(slabs_[0], 0, kBlockRows);
    const int64_t panels = blocks_of(count, kPanelTokens);
    if (panels == 1) multiply_all<1>();
    if (panels == 2) multiply_all<2>();
    if (panels == 3) multiply_all<3>();
    for (int64_t row = 0; row < rows_; row += kBlockRows) {
      store_sums(sums_of(row), smaller(kBlockRows, rows_ - row), count,
                 a_.y + first * a_.y_stride + row_ + row, a_.y_stride);
    }
  }

  /// Steps of run().
  static int64_t steps(const PanelLinearArgs& a, int64_t rows) {
    return blocks_of(rows, kBlockRows) * a.k_padded / Kind::kStep;
  }

 private:
  static constexpr bool kIntegers = __is_same(Number, int32_t);
  static constexpr int64_t kSlabBytes = kSlabRow * kBlockRows * Kind::kColumnBytes;
  static constexpr int64_t kSlabSteps = kSlabColumns / Kind::kStep;

  static int64_t blocks_of(int64_t n, int64_t block) { return (n + block - 1) / block; }
  /// Rows of the next slab that are decoded after some steps.
  static constexpr int64_t rows_after(int64_t steps) { return kBlockRows * steps / kSlabSteps; }
  int64_t group() const { return kIntegers ? a_.w_groups.group : kScaleBlock; }
  /// Groups of nothing but padding have no scales.
  int64_t k_end() const { return kIntegers ? blocks_of(a_.in, group()) * group() : a_.k_padded; }
  float* sums_of(int64_t row) { return sums_ + row / kBlockRows * kBlockNumbers; }

  /// The rows' BF16 scales as f32 [groups][kAmxRows].
  void turn_scales() {
    const int64_t groups = blocks_of(a_.in, group());
    for (int64_t r = 0; r < rows_; r += kTileRows) {
      for (int64_t g = 0; g < groups; g += kTileRows) {
        const int64_t count = smaller(groups - g, kTileRows);
        const __mmask16 mask = static_cast<__mmask16>((1u << count) - 1);
        Vec of_rows[kTileRows];
        for (int64_t i = 0; i < kTileRows; ++i) {  // rows that are not there repeat the last
          const uint16_t* from =
              a_.w_groups.data + (row_ + smaller(r + i, rows_ - 1)) * a_.w_groups.stride + g;
          const __m512i words = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, from));
          of_rows[i] = {_mm512_castsi512_ps(_mm512_slli_epi32(words, 16))};
        }
        transpose(of_rows);
        for (int64_t i = 0; i < count; ++i) of_rows[i].store(scales_ + (g + i) * kAmxRows + r);
      }
    }
  }

  /// The slab that decode_rows() fills: columns from k on, of the block of rows from `row` on.
  void decode_from(int64_t row, int64_t k) {
    ahead_rows_ = k < k_end() ? smaller(kBlockRows, rows_ - row) : 0;
    ahead_columns_ = a_.in - k;
    ahead_ = static_cast<const uint8_t*>(a_.w) + (row_ + row) * row_bytes_ + stored_bytes(k);
  }
  int64_t stored_bytes(int64_t columns) const { return stored_row_bytes(a_.w_type, columns); }

  /// Its rows [begin, end). Rows of a tile that are not there keep what lay there: a row of results
  /// needs its own alone.
  [[gnu::always_inline]] inline void decode_rows(uint8_t* slab, int64_t begin, int64_t end) const {
    if (ahead_columns_ < kSlabColumns) [[unlikely]]
      return decode_last_columns(slab, begin, end);
    decode_slab_rows(ahead_ + begin * row_bytes_, row_bytes_, smaller(end, ahead_rows_) - begin,
                     slab + begin * kSlabRow);
  }
  [[gnu::always_inline]] static inline void decode_slab_rows(const uint8_t* w, int64_t stride,
                                                             int64_t rows, uint8_t* out) {
    __mmask64 others = 0;
    for (int64_t r = 0; r < rows; ++r) {
      decode_slab_row(Kind{}, w + r * stride, out + r * kSlabRow, others);
    }
    if (others != 0) [[unlikely]]
      look_up_slab_rows(w, stride, rows, out);
  }
  [[gnu::noinline]] void decode_last_columns(uint8_t* slab, int64_t begin, int64_t end) const {
    for (int64_t r = begin; r < smaller(end, ahead_rows_); ++r) {
      uint8_t padded[kSlabColumns * Kind::kStoredBits / 8];
      __builtin_memset(padded, Kind::kStoredZero, sizeof padded);
      if (ahead_columns_ > 0) {
        __builtin_memcpy(padded, ahead_ + r * row_bytes_,
                         static_cast<Size>(stored_bytes(ahead_columns_)));
      }
      decode_slab_rows(padded, 0, 1, slab + r * kSlabRow);
    }
  }

  template <int P>
  void multiply_all() {
    for (int64_t k = 0; k < k_end(); k += kChunkColumns) {
      for (int64_t row = 0; row < rows_; row += kBlockRows) {
        rows_ - row > kTileRows ? multiply_chunk<2, P>(row, k) : multiply_chunk<1, P>(row, k);
      }
    }
    waiting_.add(0, waiting_.tiles);
    waiting_.tiles = 0;
  }

  /// A chunk of columns of a block of rows.
  template <int R, int P>
  void multiply_chunk(int64_t row, int64_t k) {
    using Tiles = ProductTiles<R, P>;
    float* total = sums_of(row);
    if constexpr (!Kind::kScaled) Tiles::load(total);
    for (int64_t slab = 0; slab < 2 && k + slab * kSlabColumns < k_end(); ++slab) {
      slab == 0 ? decode_from(row, k + kSlabColumns) : decode_next(row, k);
#pragma GCC unroll 2
      for (int64_t step = 0; step < kSlabSteps; ++step) {
        const int64_t column = k + slab * kSlabColumns + step * Kind::kStep;
        if (column < k_end()) {
          multiply_step<R, P>(row, column, slab, step);
        } else {
          decode_rows(slabs_[1 - slab], rows_after(step), rows_after(step + 1));
        }
      }
    }
    if (k + kSlabColumns >= k_end()) {  // no second slab meanwhile
      decode_next(row, k);
      decode_rows(slabs_[0], 0, kBlockRows);
    }
    if constexpr (!Kind::kScaled) Tiles::store(total);
  }

  /// What follows the block of rows from `row` on and the chunk from k on.
  void decode_next(int64_t row, int64_t k) {
    const bool last = row + kBlockRows >= rows_;
    last ? decode_from(0, k + kChunkColumns) : decode_from(row + kBlockRows, k);
  }

  template <int R, int P>
  [[gnu::always_inline]] inline void multiply_step(int64_t row, int64_t column, int64_t slab,
                                                   int64_t step) {
    using Tiles = ProductTiles<R, P>;
    constexpr int64_t kShares = Kind::kSpan / Kind::kStep;
    const int64_t share = column % Kind::kSpan / Kind::kStep;
    if (Kind::kScaled && share == 0) Tiles::zero();
    const int64_t offset = Kind::kColumnBytes == 2 ? step * kSlabHalf : step * Kind::kStep;
    Tiles::template add_product<kIntegers>(
        slabs_[slab] + offset, x_ + column * Kind::kColumnBytes * kPanelTokens,
        panel_bytes(a_.form, a_.k_padded), [&](int panel) __attribute__((always_inline)) {
          next_.fetch();
          const int64_t rows = rows_after(1);
          decode_rows(slabs_[1 - slab], rows_after(step) + rows * panel / P,
                      rows_after(step) + rows * (panel + 1) / P);
        });
    waiting_.add(waiting_.tiles * share / kShares, waiting_.tiles * (share + 1) / kShares);
    if (Kind::kScaled && share + 1 == kShares) {
      Tiles::store(unscaled_);
      await<R, P>(row, column);
    }
  }

  /// The sums just stored are those of the group of `column`.
  template <int R, int P>
  void await(int64_t row, int64_t column) {
    const int64_t of_group = column / Kind::kSpan;
    waiting_.total = sums_of(row);
    waiting_.panels = P;
    waiting_.tiles = R * P;
    waiting_.x_scale = x_scale_ == nullptr ? nullptr : x_scale_ + of_group * kPanelTokens;
    if constexpr (kIntegers) {
      waiting_.w_scale = scales_ + of_group * kAmxRows + row;
    } else {
      waiting_.w_scale =
          a_.w_scale + (a_.w_row_offset + row_) / kScaleBlock * a_.w_scale_stride + of_group;
    }
  }

  const PanelLinearArgs& a_;
  int64_t row_, rows_, row_bytes_;
  NextBlock& next_;
  const uint8_t* x_ = nullptr;  // panels of the tokens
  const float* x_scale_ = nullptr;
  uint8_t* slabs_[2];  // [kBlockRows] rows decoded
  Number* unscaled_;   // [tiles][16][16]
  float* sums_;        // [blocks of rows] of the same
  float* scales_;      // [groups][kAmxRows] of packed integers
  WaitingSums<Number> waiting_{};
  // The slab that is decoded.
  const uint8_t* ahead_ = nullptr;
  int64_t ahead_rows_ = 0, ahead_columns_ = 0;
};

template <typename Kind>
void multiply_panels(const PanelLinearArgs& a, int64_t begin, int64_t end, void* scratch) {
  const TileRegisters registers(static_cast<int>(Kind::kStep * Kind::kColumnBytes), 6, 7);
  for (int64_t group = 0; group < a.tokens; group += kTokenGroup) {
    const int64_t panels =
        (smaller(kTokenGroup, a.tokens - group) + kPanelTokens - 1) / kPanelTokens;
    const int64_t blocks = (panels + kBlockPanels - 1) / kBlockPanels;
    for (int64_t row = begin, rows; row < end; row += rows) {
      rows = block_rows(a, row, end, kAmxRows);
      NextBlock next(a, row + rows, smaller(kAmxRows, end - row - rows),
                     panels * AmxRows<Kind>::steps(a, rows));
      AmxRows<Kind> of_rows(a, row, rows, next, scratch);
      for (int64_t i = 0; i < blocks; ++i) {
        const int64_t first = group + panels * i / blocks * kPanelTokens;
        const int64_t last = group + panels * (i + 1) / blocks * kPanelTokens;
        of_rows.run(first, smaller(last, a.tokens) - first);
      }
    }
  }
}

/// Rows [begin, end) of w. scratch: panel_scratch_bytes().
void panel_linear_rows(const PanelLinearArgs& a, int64_t begin, int64_t end, void* scratch) {
  const bool short_groups = a.w_groups.group == 32;
  switch (a.w_type) {
    case WeightType::kF32:
      return;  // has no panels
    case WeightType::kBf16:
      return multiply_panels<AmxBf16>(a, begin, end, scratch);
    case WeightType::kFp8E4m3:
      return multiply_panels<AmxFp8>(a, begin, end, scratch);
    case WeightType::kInt8:
      return short_groups ? multiply_panels<AmxInteger<8, 32>>(a, begin, end, scratch)
                          : multiply_panels<AmxInteger<8, 128>>(a, begin, end, scratch);
    case WeightType::kInt4:
      return short_groups ? multiply_panels<AmxInteger<4, 32>>(a, begin, end, scratch)
                          : multiply_panels<AmxInteger<4, 128>>(a, begin, end, scratch);
  }
}

/// Held while multiply_rows() is called.
using ProductRegisters = TileRegisters;

template <int R, int P>
inline void multiply_some_rows(const RowProduct& m, int64_t row) {
  using Block = TileBlock<R, P>;
  const uint8_t* rows = reinterpret_cast<const uint8_t*>(m.rows + row * m.row_stride);
  const uint8_t* panels = reinterpret_cast<const uint8_t*>(m.panels);
  Block::zero();
  for (int64_t k = 0; k < m.k; k += 32) {
    Block::load(rows + 2 * k, 2 * m.row_stride, 2 * kTileRows * m.row_stride,
                panels + 2 * k * kPanelTokens, 2 * m.panel_stride);
    Block::add_bf16();
  }
  Block::store(m.out + row * kPanelTokens, 4 * kTileNumbers, 4 * m.out_panel);
}

template <int P>
void multiply_rows(const RowProduct& m) {
  int64_t row = 0;
  for (; row + 2 * kTileRows <= m.count; row += 2 * kTileRows) multiply_some_rows<2, P>(m, row);
  if (row < m.count) multiply_some_rows<1, P>(m, row);
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
