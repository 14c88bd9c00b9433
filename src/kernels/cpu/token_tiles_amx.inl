// Tiles in AMX's tile registers: 32 rows of weights x 32 tokens. Tiles take 64 bytes a row and
// cycle from the caches, so a block of weight rows is decoded some columns at a time: they stay in
// the first-level cache while all tokens meet them, and the sums wait in scratch.
//
// Invariant: y[t, o] is one accumulator that meets K in steps of 64 bytes (with scales: one for
// each group and one for the total), whatever the tile. So it depends on no other token.
#include "kernels/cpu/amx.h"
#include "kernels/cpu/row_product.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

constexpr int kAmxRows = 16;                              // of a tile
constexpr int64_t kAmxNumbers = kAmxRows * kPanelTokens;  // of a tile of results
constexpr int kAmxBlock = 2;                              // tiles of a block, either way
constexpr int64_t kAmxBlockNumbers = kAmxBlock * kAmxBlock * kAmxNumbers;
/// Rows of weights that are decoded at once, and bytes of each that all tokens meet before the next
/// ones are decoded. Twice the rows is 20 % slower at 48 tokens: decoding then pushes the panels of
/// the tokens out of the first-level cache.
constexpr int64_t kAmxRowBlock = 32, kAmxChunkBytes = 512;
static_assert(kAmxRowBlock <= kPanelRowBlock);  // of the scratch

/// What one block of tiles multiplies: a chunk of columns of 32 rows or fewer, and of 32 tokens.
struct AmxChunk {
  const uint8_t* w;      // decoded rows
  int64_t w_stride;      // bytes
  const uint8_t* x;      // the first panel, from the chunk's first column on
  int64_t x_panel;       // bytes from a panel to the next
  int64_t bytes;         // of a decoded row
  const float* x_scale;  // FP8 and integers: of the chunk's first group; nullptr: 1
  int64_t x_scale_panel;
  const float* w_scale;  // FP8: of the chunk's first block. Integers: [groups][kAmxRowBlock]
  float* sums;           // [tiles][16][16]  added to
  NextBlock* next;       // fetched a few lines a step
};

/// The products of `bytes` of K, from `at` on.
template <bool kIntegers, int R, int P>
inline void multiply_steps(const AmxChunk& c, int64_t at, int64_t bytes, int64_t step) {
  using Block = TileBlock<R, P>;
  for (int64_t k = at; k < at + bytes; k += step) {
    c.next->fetch();
    Block::load(c.w + k, c.w_stride, kAmxRows * c.w_stride, c.x + k * kPanelTokens, c.x_panel);
    kIntegers ? Block::add_int8() : Block::add_bf16();
  }
}

template <int R, int P>
void amx_bf16_chunk(const AmxChunk& c) {
  TileBlock<R, P>::load_sums(c.sums);
  multiply_steps<false, R, P>(c, 0, c.bytes, 64);
  TileBlock<R, P>::store(c.sums);
}

/// Products of blocks of K whose sums are scaled before they are added: a tile of the block before
/// is added between the products of the next, so that the tile unit and the vector units work at
/// once. add(block, tile, sums [16][16] of Number).
template <typename Number, int R, int P, typename Add>
inline void multiply_scaled_blocks(const AmxChunk& c, int64_t block_bytes, int64_t step,
                                   Add&& add) {
  constexpr bool kIntegers = __is_same(Number, int32_t);
  constexpr int kTiles = R * P;
  alignas(64) Number sums[2][kTiles * kAmxNumbers];
  const int64_t steps = block_bytes / step, blocks = c.bytes / block_bytes;
  for (int64_t block = 0; block < blocks; ++block) {
    TileBlock<R, P>::zero();
    for (int64_t i = 0; i < steps; ++i) {
      multiply_steps<kIntegers, R, P>(c, block * block_bytes + i * step, step, step);
      if (block == 0) continue;
      const Number* before = sums[(block - 1) % 2];
      for (int64_t tile = kTiles * i / steps; tile < kTiles * (i + 1) / steps; ++tile) {
        add(block - 1, tile, before + tile * kAmxNumbers);
      }
    }
    TileBlock<R, P>::store(sums[block % 2]);
  }
  const Number* last = sums[(blocks - 1) % 2];
  for (int64_t tile = 0; tile < kTiles; ++tile) add(blocks - 1, tile, last + tile * kAmxNumbers);
}

template <int R, int P>
void amx_fp8_chunk(const AmxChunk& c) {
  const auto add = [&c](int64_t block, int64_t tile, const float* sums) {
    const int64_t panel = tile % P;
    Vec scale = Vec::set1(c.w_scale[block]);
    if (c.x_scale != nullptr) {
      scale = scale * Vec::load(c.x_scale + panel * c.x_scale_panel + block * kPanelTokens);
    }
    float* total = c.sums + tile * kAmxNumbers;
#pragma GCC unroll 16
    for (int i = 0; i < kAmxNumbers; i += kPanelTokens) {
      fma(Vec::load(sums + i), scale, Vec::load(total + i)).store(total + i);
    }
  };
  multiply_scaled_blocks<float, R, P>(c, 2 * kScaleBlock, 64, add);
}

/// kGroup: columns of a scale; a step of K is a group of 32, or half of one of 128.
template <int kGroup, int R, int P>
void amx_int8_chunk(const AmxChunk& c) {
  const auto add = [&c](int64_t group, int64_t tile, const int32_t* sums) {
    const int64_t panel = tile % P, row = tile / P * kAmxRows;
    const Vec x_scale = Vec::load(c.x_scale + panel * c.x_scale_panel + group * kPanelTokens);
    const float* w_scale = c.w_scale + group * kAmxRowBlock + row;
    float* total = c.sums + tile * kAmxNumbers;
#pragma GCC unroll 16
    for (int r = 0; r < kAmxRows; ++r) {
      const Vec sum = {_mm512_cvtepi32_ps(_mm512_load_si512(sums + r * kPanelTokens))};
      float* to = total + r * kPanelTokens;
      fma(sum, x_scale * Vec::set1(w_scale[r]), Vec::load(to)).store(to);
    }
  };
  multiply_scaled_blocks<int32_t, R, P>(c, kGroup, smaller(kGroup, 64), add);
}

/// Sums [rows][tokens] of a block of R x P tiles to y, of which `rows` and `tokens` are wanted.
template <int R, int P>
void store_sums(const float* sums, int64_t rows, int64_t tokens, float* y, int64_t y_stride) {
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
      float* to = y + p * kPanelTokens * y_stride + r * kAmxRows;
      for (int64_t i = 0; i < count; ++i) {
        _mm512_mask_storeu_ps(to + i * y_stride, mask, turned[i].v);
      }
    }
  }
}

/// A block of weight rows against some of the tokens.
class AmxBlock {
 public:
  AmxBlock(const PanelLinearArgs& a, int64_t row, int64_t rows, void* scratch)
      : a_(a), row_(row), rows_(rows), integers_(a.form == PanelForm::kInt8) {
    decoded_ = static_cast<uint8_t*>(scratch);
    scales_ = reinterpret_cast<float*>(decoded_ + kAmxRowBlock * kDecodedStride);
    sums_ = scales_ + kAmxRowBlock * kMostGroups;
  }

  /// Tokens [first, first + count), `first` from a panel on.
  void run(int64_t first, int64_t count, NextBlock& next) {
    for_tiles(first, count, [](int64_t, int64_t, float* sums) {
      for (int64_t i = 0; i < kAmxBlockNumbers; i += kPanelTokens) Vec::zero().store(sums + i);
    });
    const int64_t chunk = integers_ ? kAmxChunkBytes : kAmxChunkBytes / 2;
    const int64_t group = a_.w_groups.group;  // groups of nothing but padding have no scales
    const int64_t end = integers_ ? (a_.in + group - 1) / group * group : a_.k_padded;
    for (int64_t k = 0; k < end; k += chunk) {
      const int64_t columns = smaller(chunk, end - k);
      decode(k, columns);
      for_tiles(first, count, [&](int64_t row, int64_t token, float* sums) {
        AmxChunk c = chunk_at(k, columns, row, token, sums);
        c.next = &next;
        multiply(c, rows_ - row, first + count - token);
      });
    }
    for_tiles(first, count, [&](int64_t row, int64_t token, float* sums) {
      store(sums, row, token, rows_ - row, first + count - token);
    });
  }

  static int64_t tiles(int64_t rows, int64_t tokens) {
    return (rows + kRows - 1) / kRows * ((tokens + kTokens - 1) / kTokens);
  }

  static constexpr int64_t kRows = kAmxBlock * kAmxRows, kTokens = kAmxBlock * kPanelTokens;

 private:
  // Rows a power of two apart would share a few sets of the first-level cache: a line between them.
  static constexpr int64_t kDecodedStride = kAmxChunkBytes + 64;
  static constexpr int64_t kMostGroups = kAmxChunkBytes / 32;

  void decode(int64_t k, int64_t columns) {
    for (int64_t r = 0; r < rows_; ++r) {
      decode_panel_row(a_, row_ + r, k, columns, decoded_ + r * kDecodedStride, nullptr);
    }
    // Tiles are whole: what they compute beyond the rows is not stored, but must be numbers.
    for (int64_t r = rows_; r % kAmxRows != 0; ++r) {
      __builtin_memset(decoded_ + r * kDecodedStride, 0, static_cast<Size>(kDecodedStride));
    }
    if (!integers_) return;
    for (int64_t g = 0; g * a_.w_groups.group < columns; ++g) {
      const uint16_t* of_group = a_.w_groups.data + k / a_.w_groups.group + g;
      for (int64_t r = 0; r < kAmxRowBlock; ++r) {
        const int64_t row = row_ + smaller(r, rows_ - 1);
        scales_[g * kAmxRowBlock + r] = bf16_to_f32(of_group[row * a_.w_groups.stride]);
      }
    }
  }

  AmxChunk chunk_at(int64_t k, int64_t columns, int64_t row, int64_t token, float* sums) const {
    const int64_t panel = token / kPanelTokens, number = integers_ ? 1 : 2;
    AmxChunk c{};
    c.w = decoded_ + row * kDecodedStride;
    c.w_stride = kDecodedStride;
    c.x_panel = panel_bytes(a_.form, a_.k_padded);
    c.x = a_.x + panel * c.x_panel + k * number * kPanelTokens;
    c.bytes = columns * number;
    const int64_t group = integers_ ? a_.w_groups.group : kScaleBlock;
    c.x_scale_panel = panel_scales(a_.in, group);
    if (a_.x_scale != nullptr) {
      c.x_scale = a_.x_scale + panel * c.x_scale_panel + k / group * kPanelTokens;
    }
    if (integers_) {
      c.w_scale = scales_ + row;
    } else if (a_.w_scale != nullptr) {
      c.w_scale =
          a_.w_scale + (a_.w_row_offset + row_) / kScaleBlock * a_.w_scale_stride + k / kScaleBlock;
    }
    c.sums = sums;
    return c;
  }

  template <typename Fn>
  void for_tiles(int64_t first, int64_t count, Fn&& fn) {
    float* sums = sums_;
    for (int64_t token = first; token < first + count; token += kTokens) {
      for (int64_t row = 0; row < rows_; row += kRows, sums += kAmxBlockNumbers) {
        fn(row, token, sums);
      }
    }
  }

  template <int R, int P>
  void multiply_as(const AmxChunk& c) const {
    switch (a_.w_type) {
      case WeightType::kF32:
        return;  // has no panels
      case WeightType::kBf16:
        return amx_bf16_chunk<R, P>(c);
      case WeightType::kFp8E4m3:
        return amx_fp8_chunk<R, P>(c);
      case WeightType::kInt8:
      case WeightType::kInt4:
        return a_.w_groups.group == 32 ? amx_int8_chunk<32, R, P>(c) : amx_int8_chunk<128, R, P>(c);
    }
  }

  void multiply(const AmxChunk& c, int64_t rows, int64_t tokens) const {
    const bool tall = rows > kAmxRows, wide = tokens > kPanelTokens;
    if (tall) return wide ? multiply_as<2, 2>(c) : multiply_as<2, 1>(c);
    wide ? multiply_as<1, 2>(c) : multiply_as<1, 1>(c);
  }

  void store(const float* sums, int64_t row, int64_t token, int64_t rows, int64_t tokens) const {
    float* y = a_.y + token * a_.y_stride + row_ + row;
    const bool tall = rows > kAmxRows, wide = tokens > kPanelTokens;
    if (tall && wide) return store_sums<2, 2>(sums, rows, tokens, y, a_.y_stride);
    if (tall) return store_sums<2, 1>(sums, rows, tokens, y, a_.y_stride);
    if (wide) return store_sums<1, 2>(sums, rows, tokens, y, a_.y_stride);
    store_sums<1, 1>(sums, rows, tokens, y, a_.y_stride);
  }

  const PanelLinearArgs& a_;
  int64_t row_, rows_;
  bool integers_;
  uint8_t* decoded_;  // [kAmxRowBlock] rows of a chunk
  float* scales_;     // [groups][kAmxRowBlock] of packed integers
  float* sums_;       // of each block of tiles
};

/// Rows [begin, end) of w. scratch: panel_scratch_bytes().
void panel_linear_rows(const PanelLinearArgs& a, int64_t begin, int64_t end, void* scratch) {
  const bool short_groups = a.form == PanelForm::kInt8 && a.w_groups.group == 32;
  const TileRegisters registers(short_groups ? 32 : 64);
  for (int64_t row = begin, rows; row < end; row += rows) {
    rows = block_rows(a, row, end, kAmxRowBlock);
    const int64_t steps = panel_bytes(a.form, a.k_padded) / kPanelTokens / (short_groups ? 32 : 64);
    NextBlock next(a, row + rows, smaller(kAmxRowBlock, end - row - rows),
                   steps * AmxBlock::tiles(rows, a.tokens));
    AmxBlock block(a, row, rows, scratch);
    for (int64_t token = 0; token < a.tokens; token += kPanelTokenBlock) {
      block.run(token, smaller(kPanelTokenBlock, a.tokens - token), next);
    }
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
    Block::load(rows + 2 * k, 2 * m.row_stride, 2 * kAmxRows * m.row_stride,
                panels + 2 * k * kPanelTokens, 2 * m.panel_stride);
    Block::add_bf16();
  }
  Block::store(m.out + row * kPanelTokens, 4 * kAmxNumbers, 4 * m.out_panel);
}

template <int P>
void multiply_rows(const RowProduct& m) {
  int64_t row = 0;
  for (; row + 2 * kAmxRows <= m.count; row += 2 * kAmxRows) multiply_some_rows<2, P>(m, row);
  if (row < m.count) multiply_some_rows<1, P>(m, row);
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
