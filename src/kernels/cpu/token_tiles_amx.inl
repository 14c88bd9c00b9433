// Tiles in AMX's tile registers: 32 rows of weights x 48 tokens, or 16 x 96. Tiles take 64 bytes a
// row and cycle, so operands must come from the first-level cache, and whatever passes between it
// and the second level costs about two cycles a line. So rows of weights are decoded a slab of 64
// columns at a time, two of which the first-level cache holds; a chunk of the tokens' panels stays
// there for kAmxRows rows of weights, and so do their sums. Vectors and tiles work at once: after
// each product a few rows of the next slab are decoded, and a few of the sums before are scaled.
// Both in small parts, for the processor looks ahead no further than about three products.
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
/// A block of tiles has two rows of three or, of more tokens, one row of six: then what a row of
/// weights costs to decode serves more products. kAmxRows rows meet a chunk of the tokens' panels,
/// one block after the other.
constexpr int64_t kBlockRows = 2 * kTileRows, kBlockPanels = 3, kAmxRows = 64;
constexpr int64_t kWidePanels = 2 * kBlockPanels;
constexpr int64_t kBlockNumbers = kBlockRows * kBlockPanels * kPanelTokens;
static_assert(kAmxRows <= kPanelRowBlock);  // of the scratch
static_assert(kGatedRows % kBlockRows == 0 && kGatedBlockRows % kBlockRows == 0);
constexpr int64_t kSlabColumns = 64, kChunkColumns = 2 * kSlabColumns;
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
  [[gnu::always_inline]] void decode(const uint8_t* w, uint8_t* out) {
    _mm512_store_si512(out, _mm512_loadu_si512(w));
    _mm512_store_si512(out + kSlabHalf, _mm512_loadu_si512(w + 64));
  }
  void correct(const uint8_t*, int64_t, int64_t, uint8_t*) {}
};

template <>
struct SlabDecoder<AmxFp8> {
  E4m3Mover mover;

  [[gnu::always_inline]] void decode(const uint8_t* w, uint8_t* out) {
    const DotBf16::Operand v = mover.move(w);
    _mm512_store_si512(out, v.first);
    _mm512_store_si512(out + kSlabHalf, v.second);
  }
  /// Rows decoded since the last call: again, if codes among them have to be looked up.
  [[gnu::always_inline]] void correct(const uint8_t* w, int64_t stride, int64_t rows,
                                      uint8_t* out) {
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

/// Codes of any type, for slabs that are not decoded beside products: none needs looking up.
struct AnyCodes {
  uint8_t bytes[2 * kSlabColumns];
  constexpr AnyCodes() : bytes() {
    for (uint8_t& code : bytes) code = 0x38;
  }
};
alignas(64) constexpr AnyCodes kAnyCodes;

/// Two blocks of kBlockRows rows of weights or fewer, the first as long as the second or longer,
/// times blocks of tokens.
template <typename Kind>
class AmxRows {
 public:
  using Number = typename Kind::Number;

  AmxRows(const PanelLinearArgs& a, const WeightRows& first, const WeightRows& second,
          NextRows& next, void* scratch)
      : a_(a), weights_{first, second}, row_bytes_(stored_row_bytes(a.w_type, a.in)), next_(next) {
    uint8_t* at = static_cast<uint8_t*>(scratch);
    for (uint8_t*& slab : slabs_) {
      slab = at;
      at += kSlabBytes;
    }
    unscaled_ = reinterpret_cast<Number*>(at);
    sums_ = reinterpret_cast<float*>(at) + kBlockNumbers;
    scales_ = sums_ + kAmxRows / kTileRows * kBlockNumbers;
    if constexpr (kIntegers) turn_scales();
  }

  /// Sums of tokens [first, first + count), `first` from a panel on, of kWidePanels or fewer.
  void multiply(int64_t first, int64_t count) {
    const int64_t panel = first / kPanelTokens;
    x_ = a_.x + panel * panel_bytes(a_.form, a_.k_padded);
    if (a_.x_scale != nullptr) x_scale_ = a_.x_scale + panel * x_scale_panel();
    const int64_t panels = blocks_of(count, kPanelTokens);
    wide_ = panels > kBlockPanels;
    cut_blocks();
    decode_from(0, 0);
    decode_slab(slabs_[0]);
    if (panels == 1) multiply_all<2, 1>();
    if (panels == 2) multiply_all<2, 2>();
    if (panels == 3) multiply_all<2, 3>();
    if (panels == 4) multiply_all<1, 4>();
    if (panels == 5) multiply_all<1, 5>();
    if (panels == 6) multiply_all<1, 6>();
  }

  /// Of 16 rows, from `row` on in the first or second block, and a panel: [16 rows][16 tokens].
  const float* sums(int64_t of_second, int64_t row, int64_t panel) const {
    const int64_t tile_row = row / kTileRows + of_second * (weights_[0].rows > kTileRows ? 2 : 1);
    const int64_t tile = wide_ ? tile_row * kWidePanels + panel
                               : (of_second * 2 + row / kTileRows) * kBlockPanels + panel;
    return sums_ + tile * kTileNumbers;
  }

 private:
  static constexpr bool kIntegers = __is_same(Number, int32_t);
  static constexpr int64_t kSlabBytes = kSlabRow * kBlockRows * Kind::kColumnBytes;
  static constexpr int kSlabSteps = kSlabColumns / Kind::kStep;
  static constexpr int kSpanSteps = Kind::kSpan / Kind::kStep;
  /// Rows of the next slab that are decoded in a step.
  static constexpr int step_rows(int tile_rows) {
    return tile_rows * static_cast<int>(kTileRows) / kSlabSteps;
  }

  static int64_t blocks_of(int64_t n, int64_t block) { return (n + block - 1) / block; }
  /// Groups of nothing but padding have no scales.
  int64_t k_end() const {
    return kIntegers ? blocks_of(a_.in, Kind::kSpan) * Kind::kSpan : a_.k_padded;
  }
  int64_t x_scale_panel() const { return panel_scales(a_.in, Kind::kSpan); }
  float* sums_of(int64_t block) { return sums_ + block * kBlockNumbers; }

  /// Rows that tiles multiply together.
  struct Block {
    const uint8_t* w;
    int64_t rows;
    const float* scale;  // of the first group; integers: [rows]
  };
  void cut_blocks() {
    const int64_t block_rows = wide_ ? kTileRows : kBlockRows;
    blocks_ = 0;
    for (int64_t i = 0; i < 2; ++i) {
      const WeightRows& w = weights_[i];
      for (int64_t row = 0; row < w.rows; row += block_rows) {
        block_[blocks_++] = {w.w + row * row_bytes_, smaller(block_rows, w.rows - row),
                             kIntegers ? scales_ + i * kBlockRows + row : w.scale};
      }
    }
  }

  /// The rows' BF16 scales as f32 [groups][2][kBlockRows].
  void turn_scales() {
    for (int64_t i = 0; i < 2; ++i) {
      for (int64_t r = 0; r < weights_[i].rows; r += kTileRows) {
        turn_scales(weights_[i], r, scales_ + i * kBlockRows + r);
      }
    }
  }
  void turn_scales(const WeightRows& w, int64_t row, float* out) const {
    const int64_t groups = blocks_of(a_.in, Kind::kSpan);
    for (int64_t g = 0; g < groups; g += kTileRows) {
      const int64_t count = smaller(groups - g, kTileRows);
      const __mmask16 mask = static_cast<__mmask16>((1u << count) - 1);
      Vec of_rows[kTileRows];
      for (int64_t i = 0; i < kTileRows; ++i) {  // rows that are not there repeat the last
        const uint16_t* from =
            w.group_scale + smaller(row + i, w.rows - 1) * a_.w_groups.stride + g;
        const __m512i words = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, from));
        of_rows[i] = {_mm512_castsi512_ps(_mm512_slli_epi32(words, 16))};
      }
      transpose(of_rows);
      for (int64_t i = 0; i < count; ++i) of_rows[i].store(out + (g + i) * 2 * kBlockRows);
    }
  }

  /// The slab that is decoded next: columns from k on of a block of rows. Rows that are not there
  /// keep what lay there: a row of results needs its own alone.
  void decode_from(int64_t block, int64_t k) {
    ahead_rows_ = 0;
    if (block >= blocks_ || k >= k_end()) return;
    ahead_rows_ = block_[block].rows;
    ahead_columns_ = a_.in - k;
    ahead_ = block_[block].w + stored_bytes(k);
  }
  bool ahead_is_whole() const {
    return ahead_rows_ == (wide_ ? kTileRows : kBlockRows) && ahead_columns_ >= kSlabColumns;
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
        for (int64_t block = 0; block < blocks_; ++block) multiply_chunk<R, P>(block, k);
      }
      finish<R, P>();
    } else {
      for (int64_t block = 0; block < blocks_; ++block) {
        Tiles::zero();
        for (int64_t k = 0; k < k_end(); k += kChunkColumns) multiply_chunk<R, P>(block, k);
        Tiles::store(sums_of(block));
      }
    }
  }

  /// A chunk of columns of a block of rows.
  template <int R, int P>
  void multiply_chunk(int64_t block, int64_t k) {
    constexpr int kSecondShare = kSlabSteps % kSpanSteps;
    decode_from(block, k + kSlabColumns);
    multiply_slab<R, P, 0>(block, k, 0);
    decode_next(block, k);
    if (k + kSlabColumns < k_end()) {
      multiply_slab<R, P, kSecondShare>(block, k + kSlabColumns, 1);
    } else {  // nothing to multiply meanwhile
      decode_slab(slabs_[0]);
    }
  }

  /// The first slab of what follows a block of rows and the chunk from k on: of scaled sums the
  /// chunk's other rows, else the rows' next chunk.
  void decode_next(int64_t block, int64_t k) {
    if constexpr (Kind::kScaled) {
      const bool last = block + 1 == blocks_;
      last ? decode_from(0, k + kChunkColumns) : decode_from(block + 1, k);
    } else {
      const bool last = k + kChunkColumns >= k_end();
      last ? decode_from(block + 1, 0) : decode_from(block, k + kChunkColumns);
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
  void multiply_slab(int64_t block, int64_t k, int64_t slab) {
    const bool whole = ahead_is_whole();
    Beside beside{.w = whole ? ahead_ : kAnyCodes.bytes,
                  .stride = whole ? row_bytes_ : 0,
                  .decoded = slabs_[1 - slab],
                  .fetch = next_.at,
                  .adding = adding_};
    multiply_step<R, P, kShare>(block, k, slab, 0, beside);
    const bool second = kSlabSteps == 2 && k + Kind::kStep < k_end();
    if constexpr (kSlabSteps == 2) {
      if (second) {
        multiply_step<R, P, (kShare + 1) % kSpanSteps>(block, k + Kind::kStep, slab, 1, beside);
      }
    }
    next_.at = beside.fetch;
    adding_ = beside.adding;
    if (!whole || (kSlabSteps == 2 && !second)) decode_slab(slabs_[1 - slab]);
  }

  template <int R, int P, int kShare>
  [[gnu::always_inline]] inline void multiply_step(int64_t block, int64_t column, int64_t slab,
                                                   int64_t step, Beside& beside) {
    using Tiles = ProductTiles<R, P>;
    constexpr bool kRestart = Kind::kScaled && kShare == 0;
    if constexpr (kRestart) {
      add_part<R, P>(beside.adding, kSpanSteps * Tiles::kProducts - 1);
      beside.adding = summing_;
      summing_ = sums_of_group(block, column);
    }
    const int64_t offset = Kind::kColumnBytes == 2 ? step * kSlabHalf : step * Kind::kStep;
    constexpr int kRows = step_rows(R);
    const int64_t first = step * kRows;
    Tiles::template add_product<kIntegers, kRestart>(
        slabs_[slab] + offset, x_ + column * Kind::kColumnBytes * kPanelTokens,
        panel_bytes(a_.form, a_.k_padded), unscaled_, [&](int product) FATHOM_IN_PLACE {
          fetch<R, P>(beside);
          decode_rows(beside, first, kRows * product / Tiles::kProducts,
                      kRows * (product + 1) / Tiles::kProducts);
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
  template <int R, int P>
  [[gnu::always_inline]] inline void fetch(Beside& beside) {
    constexpr int64_t kLines = step_rows(R) * kSlabColumns * Kind::kStoredBits / 8 / 64;
    if (beside.fetch >= next_.end && !next_.go_on(beside.fetch)) return;
#pragma GCC unroll 16
    for (int64_t i = 0; i < (kLines + R * P - 1) / (R * P); ++i, beside.fetch += 64) {
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

  ScaledSums<Number> sums_of_group(int64_t block, int64_t column) {
    const int64_t of_group = column / Kind::kSpan;
    ScaledSums<Number> sums{.total = sums_of(block),
                            .before = column < Kind::kSpan ? __mmask16{0} : __mmask16{0xffff}};
    if (x_scale_ != nullptr) {
      sums.x_scale = x_scale_ + of_group * kPanelTokens;
      sums.x_scale_panel = x_scale_panel();
    }
    sums.w_scale = block_[block].scale + of_group * (kIntegers ? 2 * kBlockRows : 1);
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
  WeightRows weights_[2];
  int64_t row_bytes_;
  bool wide_ = false;  // one row of tiles in a block
  Block block_[kAmxRows / kTileRows];
  int64_t blocks_ = 0;
  NextRows& next_;
  const uint8_t* x_ = nullptr;  // panels of the tokens
  const float* x_scale_ = nullptr;
  uint8_t* slabs_[2];             // [kBlockRows] rows decoded
  Number* unscaled_;              // [tiles][16][16]
  float* sums_;                   // [2] of the same
  float* scales_;                 // [groups][2][kBlockRows] of packed integers
  ScaledSums<Number> summing_{};  // the group in the tile registers
  ScaledSums<Number> adding_{};   // the one before, in unscaled_
  // The slab that is decoded.
  const uint8_t* ahead_ = nullptr;
  int64_t ahead_rows_ = 0, ahead_columns_ = 0;
};

/// fn(first token, tokens) for blocks of kWidePanels panels or fewer, about equal, of `a`'s tokens
/// from `group` on that belong together.
template <typename Fn>
inline void each_token_block(const PanelLinearArgs& a, int64_t group, Fn&& fn) {
  const int64_t panels = (smaller(kTokenGroup, a.tokens - group) + kPanelTokens - 1) / kPanelTokens;
  const int64_t blocks = (panels + kWidePanels - 1) / kWidePanels;
  for (int64_t i = 0; i < blocks; ++i) {
    const int64_t first = group + panels * i / blocks * kPanelTokens;
    const int64_t last = group + panels * (i + 1) / blocks * kPanelTokens;
    fn(first, smaller(last, a.tokens) - first);
  }
}

template <typename Kind>
TileRegisters registers_of() {
  return TileRegisters(static_cast<int>(Kind::kStep * Kind::kColumnBytes), 6, 7);
}

struct MultiplyPanels {
  const PanelLinearArgs& a;
  int64_t begin, end;
  void* scratch;

  template <typename Kind>
  void run() const {
    const TileRegisters registers = registers_of<Kind>();
    for (int64_t group = 0; group < a.tokens; group += kTokenGroup) {
      for (int64_t row = begin, rows; row < end; row += rows) {
        rows = block_rows(a, row, end, kAmxRows);
        const int64_t first = smaller(rows, kBlockRows);
        NextRows next({a, row + rows, smaller(kAmxRows, end - row - rows)},
                      stored_row_bytes(a.w_type, a.in));
        AmxRows<Kind> of_rows(a, {a, row, first}, {a, row + first, rows - first}, next, scratch);
        each_token_block(a, group, [&](int64_t token, int64_t tokens) {
          of_rows.multiply(token, tokens);
          for (int64_t t = 0; t < tokens; t += kPanelTokens) {
            float* y = a.y + (token + t) * a.y_stride + row;
            for (int64_t r = 0; r < rows; r += kTileRows) {
              store_tile_sums(of_rows.sums(r / kBlockRows, r % kBlockRows, t / kPanelTokens),
                              smaller(kTileRows, rows - r), smaller(kPanelTokens, tokens - t),
                              y + r, a.y_stride);
            }
          }
        });
      }
    }
  }
};

/// silu(gate) * up of groups of kGatedRows rows, [panels][kGatedRows][16 tokens] in scratch, then
/// as panels.
struct MultiplyGated {
  const PanelGatedArgs& a;
  int64_t begin, end;
  void* scratch;

  template <typename Kind>
  void run() const {
    const TileRegisters registers = registers_of<Kind>();
    for (int64_t group = 0; group < a.gate.tokens; group += kTokenGroup) {
      for (int64_t row = begin; row < end; row += kGatedRows) {
        const int64_t rows = smaller(kGatedRows, a.hidden.cols - row);
        for (int64_t r = 0; r < rows; r += kBlockRows) {
          run_rows<Kind>(group, row + r, smaller(kBlockRows, rows - r), r);
        }
        each_token_block(a.gate, group, [&](int64_t token, int64_t tokens) {
          for (int64_t t = token; t < token + tokens; t += kPanelTokens) {
            pack(t / kPanelTokens, row, rows, hidden_of(t - group));
          }
        });
      }
    }
  }

 private:
  float* hidden_of(int64_t token) const {
    return static_cast<float*>(scratch) + token * kGatedRows;
  }

  /// Rows [row, row + rows) of both matrices, from `at` on among those of the group.
  template <typename Kind>
  void run_rows(int64_t group, int64_t row, int64_t rows, int64_t at) const {
    const int64_t next_row = row + rows, next_rows = smaller(kBlockRows, a.hidden.cols - next_row);
    NextRows next({a.gate, next_row, next_rows}, {a.up, next_row, next_rows},
                  stored_row_bytes(a.gate.w_type, a.gate.in));
    float* beyond = hidden_of(smaller(kTokenGroup, round_to_panels(a.gate.tokens)));
    AmxRows<Kind> of_rows(a.gate, {a.gate, row, rows}, {a.up, row, rows}, next, beyond);
    each_token_block(a.gate, group, [&](int64_t token, int64_t tokens) {
      of_rows.multiply(token, tokens);
      for (int64_t t = 0; t < tokens; t += kPanelTokens) {
        for (int64_t r = 0; r < rows; r += kTileRows) {
          const float* gate = of_rows.sums(0, r, t / kPanelTokens);
          const float* up = of_rows.sums(1, r, t / kPanelTokens);
          float* out = hidden_of(token + t - group) + (at + r) * kPanelTokens;
          for (int64_t i = 0; i < kTileNumbers; i += kPanelTokens) {
            silu_mul(Vec::load(gate + i), Vec::load(up + i)).store(out + i);
          }
        }
      }
    });
  }
  static int64_t round_to_panels(int64_t tokens) {
    return (tokens + kPanelTokens - 1) / kPanelTokens * kPanelTokens;
  }

  /// Columns [col, col + n) of a panel, and zeros to the end of their kGatedRows.
  void pack(int64_t panel, int64_t col, int64_t n, const float* hidden) const {
    const PackPanelsArgs& h = a.hidden;
    uint8_t* out = h.out + panel * panel_bytes(h.form, h.k_padded);
    float* scale = h.scale == nullptr ? nullptr : h.scale + panel * panel_scales(h.cols, h.group);
    for (int64_t g = 0; g < kGatedRows; g += h.group) {
      const int64_t there = smaller(h.group, n - g);
      const PanelScales s = lane_scales(h.form, hidden + g * kPanelTokens, there, h.power_of_2);
      store_panel_scales(s, h, col + g, there, scale);
      for (int64_t i = g; i < g + h.group; i += 16) {
        Vec rows[16];
        for (int64_t r = 0; r < 16; ++r) {
          rows[r] = i + r < n ? Vec::load(hidden + (i + r) * kPanelTokens) : Vec::zero();
        }
        store_panel_columns(h.form, s, rows, col + i, out);
      }
    }
  }
};

/// work.run<Kind>() for the weights of `a`.
template <typename Work>
void run_kind(const PanelLinearArgs& a, const Work& work) {
  const bool short_groups = a.w_groups.group == 32;
  switch (a.w_type) {
    case WeightType::kF32:
      return;  // has no panels
    case WeightType::kBf16:
      return work.template run<AmxBf16>();
    case WeightType::kFp8E4m3:
      return work.template run<AmxFp8>();
    case WeightType::kInt8:
      return short_groups ? work.template run<AmxInteger<8, 32>>()
                          : work.template run<AmxInteger<8, 128>>();
    case WeightType::kInt4:
      return short_groups ? work.template run<AmxInteger<4, 32>>()
                          : work.template run<AmxInteger<4, 128>>();
  }
}

/// Rows [begin, end) of w. scratch: panel_scratch_bytes().
void panel_linear_rows(const PanelLinearArgs& a, int64_t begin, int64_t end, void* scratch) {
  run_kind(a, MultiplyPanels{a, begin, end, scratch});
}

/// Rows [begin, end) of gate and up. scratch: gated_scratch_bytes().
void panel_gated_rows(const PanelGatedArgs& a, int64_t begin, int64_t end, void* scratch) {
  run_kind(a.gate, MultiplyGated{a, begin, end, scratch});
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
