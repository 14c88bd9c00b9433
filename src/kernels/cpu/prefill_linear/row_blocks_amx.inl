#pragma once
// Tiles in AMX's tile registers: 32 rows of weights x 48 tokens, or 16 x 96. Tiles take 64 bytes a
// row and cycle, so operands must come from the first-level cache, and whatever passes between it
// and the second level costs about two cycles a line. So rows of weights are decoded a strip of 64
// columns at a time, two of which the first-level cache holds; a chunk of the tokens' panels stays
// there for kAmxRows rows of weights, and so do their sums. Vectors and tiles work at once: after
// each product a few rows of the next strip are decoded, and a few of the sums before are scaled.
// Both in small parts, for the processor looks ahead no further than about three products.
//
// Invariant: y[t, o] is one accumulator that adds K in steps of 64 bytes (with scales: one for
// each group and one for the total), whatever the tile. So it depends on no other token.
#include "kernels/cpu/prefill_linear/decoded_strips_amx.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

// A sanitised build takes minutes for what is compiled in place.
#ifdef FATHOM_DEBUG_CHECKS
#define FATHOM_IN_PLACE __attribute__((noinline))
#else
#define FATHOM_IN_PLACE __attribute__((always_inline))
#endif

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
    for (uint8_t*& strip : strips_) {
      strip = at;
      at += kStripBytes;
    }
    unscaled_ = reinterpret_cast<Number*>(at);
    sums_ = reinterpret_cast<float*>(at) + kBlockNumbers;
    scales_ = sums_ + kAmxRows / kTileRows * kBlockNumbers;
    if constexpr (kIntegers) transpose_scales();
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
    decode_strip(strips_[0]);
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
  static constexpr int64_t kStripBytes = kStripRow * kBlockRows * Kind::kColumnBytes;
  static constexpr int kStripSteps = kStripColumns / Kind::kStep;
  static constexpr int kSpanSteps = Kind::kSpan / Kind::kStep;
  /// Rows of the next strip that are decoded in a step.
  static constexpr int step_rows(int tile_rows) {
    return tile_rows * static_cast<int>(kTileRows) / kStripSteps;
  }

  static int64_t blocks_of(int64_t n, int64_t block) { return (n + block - 1) / block; }
  /// Groups of nothing but padding have no scales.
  int64_t k_end() const {
    return kIntegers ? blocks_of(a_.in, Kind::kSpan) * Kind::kSpan : a_.k_padded;
  }
  int64_t x_scale_panel() const { return panel_scales(a_.in, Kind::kSpan); }
  float* sums_of(int64_t block) { return sums_ + block * kBlockNumbers; }

  /// Rows of weights of one block of tiles.
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
        block_[blocks_++] = {w.w + row * row_bytes_, min(block_rows, w.rows - row),
                             kIntegers ? scales_ + i * kBlockRows + row : w.scale};
      }
    }
  }

  /// The rows' scales as f32 [groups][2][kBlockRows].
  void transpose_scales() {
    for (int64_t i = 0; i < 2; ++i) {
      for (int64_t r = 0; r < weights_[i].rows; r += kTileRows) {
        transpose_scales(weights_[i], r, scales_ + i * kBlockRows + r);
      }
    }
  }
  void transpose_scales(const WeightRows& w, int64_t row, float* out) const {
    const int64_t groups = blocks_of(a_.in, Kind::kSpan);
    for (int64_t g = 0; g < groups; g += kTileRows) {
      const int64_t count = min(groups - g, kTileRows);
      const __mmask16 mask = static_cast<__mmask16>((1u << count) - 1);
      Vec of_rows[kTileRows];
      for (int64_t i = 0; i < kTileRows; ++i) {  // rows that are not there repeat the last
        const uint16_t* from = w.group_scale + min(row + i, w.rows - 1) * a_.w_groups.stride + g;
        of_rows[i] = widened(_mm256_maskz_loadu_epi16(mask, from));
      }
      transpose(of_rows);
      for (int64_t i = 0; i < count; ++i) of_rows[i].store(out + (g + i) * 2 * kBlockRows);
    }
  }

  /// 16 scales as f32.
  Vec widened(__m256i scales) const {
    if (a_.w_groups.type == ScaleType::kF16) return {_mm512_cvtph_ps(scales)};
    return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(scales), 16))};
  }

  /// The strip that is decoded next: columns from k on of a block of rows. Rows that are not there
  /// keep what lay there: a row of results needs its own alone.
  void decode_from(int64_t block, int64_t k) {
    ahead_rows_ = 0;
    if (block >= blocks_ || k >= k_end()) return;
    ahead_rows_ = block_[block].rows;
    ahead_columns_ = a_.in - k;
    ahead_ = block_[block].w + stored_bytes(k);
  }
  bool ahead_is_whole() const {
    return ahead_rows_ == (wide_ ? kTileRows : kBlockRows) && ahead_columns_ >= kStripColumns;
  }
  int64_t stored_bytes(int64_t columns) const { return stored_row_bytes(a_.w_type, columns); }

  /// All of it, whatever its size.
  [[gnu::noinline]] void decode_strip(uint8_t* strip) const {
    StripDecoder<Kind> decoder;
    for (int64_t r = 0; r < ahead_rows_; ++r) {
      const uint8_t* w = ahead_ + r * row_bytes_;
      uint8_t padded[kStripColumns * Kind::kStoredBits / 8];
      if (ahead_columns_ < kStripColumns) {
        __builtin_memset(padded, Kind::kStoredZero, sizeof padded);
        if (ahead_columns_ > 0) {
          __builtin_memcpy(padded, w, static_cast<Size>(stored_bytes(ahead_columns_)));
        }
        w = padded;
      }
      decoder.decode(w, strip + r * kStripRow);
      decoder.correct(w, 0, 1, strip + r * kStripRow);
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
    constexpr int kSecondShare = kStripSteps % kSpanSteps;
    decode_from(block, k + kStripColumns);
    multiply_strip<R, P, 0>(block, k, 0);
    decode_next(block, k);
    if (k + kStripColumns < k_end()) {
      multiply_strip<R, P, kSecondShare>(block, k + kStripColumns, 1);
    } else {  // nothing to multiply meanwhile
      decode_strip(strips_[0]);
    }
  }

  /// The first strip of what follows a block of rows and the chunk from k on: of scaled sums the
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

  /// What the vector work beside the products of a strip needs, in registers.
  struct Beside {
    StripDecoder<Kind> decoder;
    const uint8_t* w;
    int64_t stride;
    uint8_t* decoded;
    const char* fetch;  // of the next rows of weights
    ScaledSums<Number> adding;
  };

  /// The columns of a strip, from k on, while the other one is decoded. kShare: of the group that
  /// is summed, steps that lie before.
  template <int R, int P, int kShare>
  void multiply_strip(int64_t block, int64_t k, int64_t strip) {
    const bool whole = ahead_is_whole();
    Beside beside{.w = whole ? ahead_ : kAnyCodes.bytes,
                  .stride = whole ? row_bytes_ : 0,
                  .decoded = strips_[1 - strip],
                  .fetch = next_.at,
                  .adding = adding_};
    multiply_step<R, P, kShare>(block, k, strip, 0, beside);
    const bool second = kStripSteps == 2 && k + Kind::kStep < k_end();
    if constexpr (kStripSteps == 2) {
      if (second) {
        multiply_step<R, P, (kShare + 1) % kSpanSteps>(block, k + Kind::kStep, strip, 1, beside);
      }
    }
    next_.at = beside.fetch;
    adding_ = beside.adding;
    if (!whole || (kStripSteps == 2 && !second)) decode_strip(strips_[1 - strip]);
  }

  template <int R, int P, int kShare>
  [[gnu::always_inline]] inline void multiply_step(int64_t block, int64_t column, int64_t strip,
                                                   int64_t step, Beside& beside) {
    using Tiles = ProductTiles<R, P>;
    constexpr bool kRestart = Kind::kScaled && kShare == 0;
    if constexpr (kRestart) {
      add_part<R, P>(beside.adding, kSpanSteps * Tiles::kProducts - 1);
      beside.adding = summing_;
      summing_ = sums_of_group(block, column);
    }
    const int64_t offset = Kind::kColumnBytes == 2 ? step * kStripHalf : step * Kind::kStep;
    constexpr int kRows = step_rows(R);
    const int64_t first = step * kRows;
    Tiles::template add_product<kIntegers, kRestart>(
        strips_[strip] + offset, x_ + column * Kind::kColumnBytes * kPanelTokens,
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
    uint8_t* out = beside.decoded + (from + begin) * kStripRow;
#pragma GCC unroll 16
    for (int r = 0; r < end - begin; ++r) {
      beside.decoder.decode(w + r * beside.stride, out + r * kStripRow);
    }
    beside.decoder.correct(w, beside.stride, end - begin, out);
  }

  /// In a step as many lines as it decodes.
  template <int R, int P>
  [[gnu::always_inline]] inline void fetch(Beside& beside) {
    constexpr int64_t kLines = step_rows(R) * kStripColumns * Kind::kStoredBits / 8 / 64;
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
  uint8_t* strips_[2];            // [kBlockRows] rows decoded
  Number* unscaled_;              // [tiles][16][16]
  float* sums_;                   // [2] of the same
  float* scales_;                 // [groups][2][kBlockRows] of packed integers
  ScaledSums<Number> summing_{};  // the group in the tile registers
  ScaledSums<Number> adding_{};   // the one before, in unscaled_
  // The strip that is decoded.
  const uint8_t* ahead_ = nullptr;
  int64_t ahead_rows_ = 0, ahead_columns_ = 0;
};

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
