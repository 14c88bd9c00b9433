// Tiles in AMX's tile registers: 32 rows of weights x 48 tokens. Tiles take 64 bytes a row and
// cycle, so operands must come from the first-level cache, and whatever passes between it and the
// second level costs about two cycles a line. So rows of weights are decoded a slab of 64 columns
// at a time, two of which the first-level cache holds; a chunk of the tokens' panels stays there
// for kAmxRows rows of weights, and so do their sums. Vectors and tiles work at once: after each
// product a few rows of the next slab are decoded, and a few of the sums before are scaled. Both in
// small parts, for the processor looks ahead no further than about three products.
//
// Invariant: y[t, o] is one accumulator that meets K in steps of 64 bytes (with scales: one for
// each group and one for the total), whatever the tile. So it depends on no other token.
#include "kernels/cpu/amx.h"
#include "kernels/cpu/row_product.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

// A sanitised build takes minutes for what is compiled in place.
#ifdef FATHOM_DEBUG_CHECKS
#define FATHOM_IN_PLACE __attribute__((noinline))
#else
#define FATHOM_IN_PLACE __attribute__((always_inline))
#endif

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
/// that are kSlabHalf bytes apart.
template <typename Kind>
struct SlabDecoder;

template <>
struct SlabDecoder<AmxBf16> {
  void decode(const uint8_t* w, uint8_t* out) {
    _mm512_store_si512(out, _mm512_loadu_si512(w));
    _mm512_store_si512(out + kSlabHalf, _mm512_loadu_si512(w + 64));
  }
  void correct(const uint8_t*, int64_t, int64_t, uint8_t*) {}
};

template <>
struct SlabDecoder<AmxFp8> {
  E4m3Mover mover;

  void decode(const uint8_t* w, uint8_t* out) {
    const DotBf16::Operand v = mover.move(w);
    _mm512_store_si512(out, v.first);
    _mm512_store_si512(out + kSlabHalf, v.second);
  }
  /// Rows decoded since the last call: again, if codes among them have to be looked up.
  void correct(const uint8_t* w, int64_t stride, int64_t rows, uint8_t* out) {
    if (mover.was_right()) [[likely]]
      return;
    look_up_slab_rows(w, stride, rows, out);
  }

 private:
  [[gnu::noinline]] static void look_up_slab_rows(const uint8_t* w, int64_t stride, int64_t rows,
                                                  uint8_t* out) {
    for (int64_t r = 0; r < rows; ++r, w += stride, out += kSlabRow) {
      const DotBf16::Operand v = DotBf16::look_up_scaled(w);
      _mm512_store_si512(out, v.first);
      _mm512_store_si512(out + kSlabHalf, v.second);
    }
  }
};

template <int kBits, int64_t kGroup>
struct SlabDecoder<AmxInteger<kBits, kGroup>> {
  void decode(const uint8_t* w, uint8_t* out) { _mm512_store_si512(out, signed_codes<kBits>(w)); }
  void correct(const uint8_t*, int64_t, int64_t, uint8_t*) {}
};

alignas(64) constexpr float kOnes[kPanelTokens] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

/// What becomes of a block of tiles of sums: total += x_scale * w_scale * sums.
template <typename Number>
struct ScaledSums {
  float* total = nullptr;        // [2][3][16][16]; nullptr: nothing
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
        fma(Vec::load(from), scale, Vec::load(to)).store(to);
      } else {
        const Vec sum = {_mm512_cvtepi32_ps(_mm512_load_si512(from))};
        const Vec w = Vec::set1(w_scale[tile_row * kTileRows + first + r]);
        fma(sum, scale * w, Vec::load(to)).store(to);
      }
    }
  }
};

/// A tile of sums to y, of which `rows` and `tokens` are wanted.
[[gnu::noinline]] inline void store_tile_sums(const float* sums, int64_t rows, int64_t tokens,
                                              float* y, int64_t y_stride) {
  Vec turned[kTileRows];
#pragma GCC unroll 16
  for (int i = 0; i < kTileRows; ++i) turned[i] = Vec::load(sums + i * kPanelTokens);
  transpose(turned);
  if (rows == kTileRows && tokens == kPanelTokens) [[likely]] {
#pragma GCC unroll 16
    for (int i = 0; i < kPanelTokens; ++i, y += y_stride) turned[i].store(y);
    return;
  }
  const __mmask16 mask = static_cast<__mmask16>((1u << rows) - 1);
#pragma GCC unroll 16
  for (int i = 0; i < kPanelTokens; ++i, y += y_stride) {
    if (i < tokens) _mm512_mask_storeu_ps(y, mask, turned[i].v);
  }
}

/// Sums [tiles][16][16] likewise.
inline void store_sums(const float* sums, int64_t rows, int64_t tokens, float* y,
                       int64_t y_stride) {
  for (int64_t row = 0; row < rows; row += kTileRows, sums += kBlockPanels * kTileNumbers) {
    for (int64_t token = 0; token < tokens; token += kPanelTokens) {
      store_tile_sums(sums + token * kTileRows, smaller(kTileRows, rows - row),
                      smaller(kPanelTokens, tokens - token), y + token * y_stride + row, y_stride);
    }
  }
}

/// Rows of weights that follow, fetched from memory meanwhile.
struct NextRows {
  const char* at;
  const char* end;

  NextRows(const PanelLinearArgs& a, int64_t row, int64_t rows) {
    const int64_t row_bytes = stored_row_bytes(a.w_type, a.in);
    at = static_cast<const char*>(a.w) + row * row_bytes;
    end = at + rows * row_bytes;
  }
};

/// Codes of any type, for slabs that are not decoded beside products: none needs looking up.
struct AnyCodes {
  uint8_t bytes[2 * kSlabColumns];
  constexpr AnyCodes() : bytes() {
    for (uint8_t& code : bytes) code = 0x38;
  }
};
alignas(64) constexpr AnyCodes kAnyCodes;

/// kAmxRows rows of weights or fewer, times blocks of tokens.
template <typename Kind>
class AmxRows {
 public:
  using Number = typename Kind::Number;

  AmxRows(const PanelLinearArgs& a, int64_t row, int64_t rows, NextRows& next, void* scratch)
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
  }

  /// Tokens [first, first + count), `first` from a panel on, of kBlockPanels panels or fewer.
  void run(int64_t first, int64_t count) {
    const int64_t panel = first / kPanelTokens;
    x_ = a_.x + panel * panel_bytes(a_.form, a_.k_padded);
    if (a_.x_scale != nullptr) x_scale_ = a_.x_scale + panel * x_scale_panel();
    for (int64_t i = 0; i < kAmxRows / kBlockRows * kBlockNumbers; i += kPanelTokens) {
      Vec::zero().store(sums_ + i);
    }
    decode_from(0, 0);
    decode_slab(slabs_[0]);
    const int64_t panels = blocks_of(count, kPanelTokens);
    const bool two = rows_ > kTileRows;
    if (panels == 1) two ? multiply_all<2, 1>() : multiply_all<1, 1>();
    if (panels == 2) two ? multiply_all<2, 2>() : multiply_all<1, 2>();
    if (panels == 3) two ? multiply_all<2, 3>() : multiply_all<1, 3>();
    for (int64_t row = 0; row < rows_; row += kBlockRows) {
      store_sums(sums_of(row), smaller(kBlockRows, rows_ - row), count,
                 a_.y + first * a_.y_stride + row_ + row, a_.y_stride);
    }
  }

 private:
  static constexpr bool kIntegers = __is_same(Number, int32_t);
  static constexpr int64_t kSlabBytes = kSlabRow * kBlockRows * Kind::kColumnBytes;
  static constexpr int kSlabSteps = kSlabColumns / Kind::kStep;
  static constexpr int kSpanSteps = Kind::kSpan / Kind::kStep;
  static constexpr int kStepRows = kBlockRows / kSlabSteps;  // of the next slab, decoded in a step

  static int64_t blocks_of(int64_t n, int64_t block) { return (n + block - 1) / block; }
  int64_t group() const { return kIntegers ? a_.w_groups.group : kScaleBlock; }
  /// Groups of nothing but padding have no scales.
  int64_t k_end() const { return kIntegers ? blocks_of(a_.in, group()) * group() : a_.k_padded; }
  int64_t x_scale_panel() const { return panel_scales(a_.in, group()); }
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

  /// The slab that is decoded next: columns from k on, of the block of rows from `row` on. Rows that
  /// are not there keep what lay there: a row of results needs its own alone.
  void decode_from(int64_t row, int64_t k) {
    ahead_rows_ = k < k_end() ? smaller(kBlockRows, rows_ - row) : 0;
    ahead_columns_ = a_.in - k;
    ahead_ = static_cast<const uint8_t*>(a_.w) + (row_ + row) * row_bytes_ + stored_bytes(k);
  }
  bool ahead_is_whole() const {
    return ahead_rows_ == kBlockRows && ahead_columns_ >= kSlabColumns;
  }
  int64_t stored_bytes(int64_t columns) const { return stored_row_bytes(a_.w_type, columns); }

  /// All of it, whatever its size.
  [[gnu::noinline]] void decode_slab(uint8_t* slab) const {
    SlabDecoder<Kind> decoder;
    for (int64_t r = 0; r < ahead_rows_; ++r) {
      const uint8_t* w = ahead_ + r * row_bytes_;
      uint8_t padded[kSlabColumns * Kind::kStoredBits / 8];
      if (ahead_columns_ < kSlabColumns) {
        __builtin_memset(padded, Kind::kStoredZero, sizeof padded);
        if (ahead_columns_ > 0) {
          __builtin_memcpy(padded, w, static_cast<Size>(stored_bytes(ahead_columns_)));
        }
        w = padded;
      }
      decoder.decode(w, slab + r * kSlabRow);
      decoder.correct(w, 0, 1, slab + r * kSlabRow);
    }
  }

  template <int R, int P>
  void multiply_all() {
    using Tiles = ProductTiles<R, P>;
    if constexpr (Kind::kScaled) {
      for (int64_t k = 0; k < k_end(); k += kChunkColumns) {
        for (int64_t row = 0; row < rows_; row += kBlockRows) multiply_chunk<R, P>(row, k);
      }
      finish<R, P>();
    } else {
      for (int64_t row = 0; row < rows_; row += kBlockRows) {
        Tiles::zero();
        for (int64_t k = 0; k < k_end(); k += kChunkColumns) multiply_chunk<R, P>(row, k);
        Tiles::store(sums_of(row));
      }
    }
  }

  /// A chunk of columns of a block of rows.
  template <int R, int P>
  void multiply_chunk(int64_t row, int64_t k) {
    constexpr int kSecondShare = kSlabSteps % kSpanSteps;
    decode_from(row, k + kSlabColumns);
    multiply_slab<R, P, 0>(row, k, 0);
    decode_next(row, k);
    if (k + kSlabColumns < k_end()) {
      multiply_slab<R, P, kSecondShare>(row, k + kSlabColumns, 1);
    } else {  // nothing to multiply meanwhile
      decode_slab(slabs_[0]);
    }
  }

  /// The first slab of what follows the block of rows from `row` on and the chunk from k on: of
  /// scaled sums the chunk's next rows, else the rows' next chunk.
  void decode_next(int64_t row, int64_t k) {
    if constexpr (Kind::kScaled) {
      const bool last = row + kBlockRows >= rows_;
      last ? decode_from(0, k + kChunkColumns) : decode_from(row + kBlockRows, k);
    } else {
      const bool last = k + kChunkColumns >= k_end();
      last ? decode_from(row + kBlockRows, 0) : decode_from(row, k + kChunkColumns);
    }
  }

  /// What the vector work beside the products of a slab needs, in registers.
  struct Beside {
    SlabDecoder<Kind> decoder;
    const uint8_t* w;
    int64_t stride;
    uint8_t* decoded;
    const char* fetch;  // of the next rows of weights
    ScaledSums<Number> adding;
  };

  /// The columns of a slab, from k on, while the other one is decoded. kShare: of the group that
  /// is summed, steps that lie before.
  template <int R, int P, int kShare>
  void multiply_slab(int64_t row, int64_t k, int64_t slab) {
    const bool whole = ahead_is_whole();
    Beside beside{.w = whole ? ahead_ : kAnyCodes.bytes,
                  .stride = whole ? row_bytes_ : 0,
                  .decoded = slabs_[1 - slab],
                  .fetch = next_.at,
                  .adding = adding_};
    multiply_step<R, P, kShare>(row, k, slab, 0, beside);
    const bool second = kSlabSteps == 2 && k + Kind::kStep < k_end();
    if constexpr (kSlabSteps == 2) {
      if (second) {
        multiply_step<R, P, (kShare + 1) % kSpanSteps>(row, k + Kind::kStep, slab, 1, beside);
      }
    }
    next_.at = beside.fetch;
    adding_ = beside.adding;
    if (!whole || (kSlabSteps == 2 && !second)) decode_slab(slabs_[1 - slab]);
  }

  template <int R, int P, int kShare>
  [[gnu::always_inline]] inline void multiply_step(int64_t row, int64_t column, int64_t slab,
                                                   int64_t step, Beside& beside) {
    using Tiles = ProductTiles<R, P>;
    constexpr bool kRestart = Kind::kScaled && kShare == 0;
    if constexpr (kRestart) {
      add_part<R, P>(beside.adding, kSpanSteps * Tiles::kProducts - 1);
      beside.adding = summing_;
      summing_ = sums_of_group(row, column);
    }
    const int64_t offset = Kind::kColumnBytes == 2 ? step * kSlabHalf : step * Kind::kStep;
    const int64_t first = step * kStepRows;
    Tiles::template add_product<kIntegers, kRestart>(
        slabs_[slab] + offset, x_ + column * Kind::kColumnBytes * kPanelTokens,
        panel_bytes(a_.form, a_.k_padded), unscaled_, [&](int product) FATHOM_IN_PLACE {
          fetch<R * P>(beside);
          decode_rows(beside, first, kStepRows * product / Tiles::kProducts,
                      kStepRows * (product + 1) / Tiles::kProducts);
          const int done = kShare * Tiles::kProducts + product;
          if (Kind::kScaled && done > 0) add_part<R, P>(beside.adding, done - 1);
        });
  }

  [[gnu::always_inline]] inline void decode_rows(Beside& beside, int64_t from, int begin,
                                                 int end) const {
    const uint8_t* w = beside.w + (from + begin) * beside.stride;
    uint8_t* out = beside.decoded + (from + begin) * kSlabRow;
#pragma GCC unroll 16
    for (int r = 0; r < end - begin; ++r) {
      beside.decoder.decode(w + r * beside.stride, out + r * kSlabRow);
    }
    beside.decoder.correct(w, beside.stride, end - begin, out);
  }

  /// In a step as many lines as it decodes.
  template <int kProducts>
  [[gnu::always_inline]] inline void fetch(Beside& beside) const {
    constexpr int64_t kLines = kStepRows * kSlabColumns * Kind::kStoredBits / 8 / 64;
    if (beside.fetch >= next_.end) return;
#pragma GCC unroll 16
    for (int64_t i = 0; i < (kLines + kProducts - 1) / kProducts; ++i, beside.fetch += 64) {
      __builtin_prefetch(beside.fetch, 0, 2);
    }
  }

  /// Part of the sums that wait: a group's are added in as many parts as the next one has products.
  template <int R, int P>
  [[gnu::always_inline]] inline void add_part(const ScaledSums<Number>& adding, int part) const {
    using Tiles = ProductTiles<R, P>;
    constexpr int kRows = kTileRows / kSpanSteps;
    if (adding.total == nullptr) return;
    const int product = part / kSpanSteps;
    adding.template add<kRows>(unscaled_, Tiles::row_of(product), Tiles::panel_of(product),
                               part % kSpanSteps * kRows);
  }

  ScaledSums<Number> sums_of_group(int64_t row, int64_t column) {
    const int64_t of_group = column / Kind::kSpan;
    ScaledSums<Number> sums{.total = sums_of(row)};
    if (x_scale_ != nullptr) {
      sums.x_scale = x_scale_ + of_group * kPanelTokens;
      sums.x_scale_panel = x_scale_panel();
    }
    if constexpr (kIntegers) {
      sums.w_scale = scales_ + of_group * kAmxRows + row;
    } else {
      sums.w_scale =
          a_.w_scale + (a_.w_row_offset + row_) / kScaleBlock * a_.w_scale_stride + of_group;
    }
    return sums;
  }

  /// What is not added yet.
  template <int R, int P>
  void finish() {
    using Tiles = ProductTiles<R, P>;
    add_part<R, P>(adding_, kSpanSteps * Tiles::kProducts - 1);
    Tiles::store(unscaled_);
    for (int part = 0; part < kSpanSteps * Tiles::kProducts; ++part) {
      add_part<R, P>(summing_, part);
    }
    adding_.total = summing_.total = nullptr;
  }

  const PanelLinearArgs& a_;
  int64_t row_, rows_, row_bytes_;
  NextRows& next_;
  const uint8_t* x_ = nullptr;  // panels of the tokens
  const float* x_scale_ = nullptr;
  uint8_t* slabs_[2];  // [kBlockRows] rows decoded
  Number* unscaled_;   // [tiles][16][16]
  float* sums_;        // [blocks of rows] of the same
  float* scales_;      // [groups][kAmxRows] of packed integers
  ScaledSums<Number> summing_{};  // the group in the tile registers
  ScaledSums<Number> adding_{};   // the one before, in unscaled_
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
      NextRows next(a, row + rows, smaller(kAmxRows, end - row - rows));
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
