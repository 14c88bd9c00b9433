#pragma once
// Linear of prefill on ISAs without dot products. A block of weight rows is decoded some columns at
// a time; such a chunk and the same columns of a panel stay in the first-level cache while they are
// multiplied, and the sums wait in scratch.
//
// Invariant: y[t, o] is one accumulator that adds K in rising order (with scales: one for each
// group and one for the total), whatever the tile. So it depends on no other token.
#include "kernels/cpu/prefill_linear/column_chunk_f32.inl"
#include "kernels/cpu/prefill_linear/panels_f32.inl"
#include "kernels/cpu/quantize/group_scales.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

/// The weights of the next chunk, fetched a few lines at a time between tiles.
class NextChunk {
 public:
  /// `rows` x `columns` of them, over `tiles` tiles.
  NextChunk(const PanelLinearArgs& a, int64_t row, int64_t rows, int64_t col, int64_t columns,
            int64_t tiles) {
    row_bytes_ = stored_row_bytes(a.w_type, a.in);
    const int64_t bytes = stored_row_bytes(a.w_type, columns);
    row_ = static_cast<const char*>(a.w) + row * row_bytes_ + stored_row_bytes(a.w_type, col);
    lines_ = (bytes + 63) / 64;
    left_ = rows * lines_;
    a_tile_ = left_ / (tiles > 0 ? tiles : 1) + 1;
  }

  void fetch() {
    for (int64_t i = min(a_tile_, left_); i > 0; --i, --left_) {
      __builtin_prefetch(row_ + 64 * line_);
      if (++line_ == lines_) {
        line_ = 0;
        row_ += row_bytes_;
      }
    }
  }

 private:
  const char* row_;
  int64_t row_bytes_, lines_, left_, a_tile_;
  int64_t line_ = 0;
};

/// A block of weight rows against some of the tokens.
class RowBlock {
 public:
  RowBlock(const PanelLinearArgs& a, int64_t row, int64_t rows, void* scratch)
      : a_(a), row_(row), rows_(rows), integers_(a.form == PanelForm::kInt8) {
    tile_rows_ = integers_ ? kIntegerRows : kTileRows;
    const int64_t odd = rows % tile_rows_;
    padded_ = rows - odd + (odd == 0 ? 0 : odd <= kFewRows ? kFewRows : tile_rows_);
    group_ = integers_ ? a.w_groups.group : kScaleBlock;
    // Groups of nothing but padding have no scales.
    end_ = integers_ ? (a.in + group_ - 1) / group_ * group_ : a.k_padded;
    decoded_ = static_cast<uint8_t*>(scratch);
    scales_ = reinterpret_cast<float*>(decoded_ + kPanelRowBlock * kChunkStride);
    starts_ = reinterpret_cast<int32_t*>(scales_ + kPanelRowBlock * kChunkGroups);
    minima_ = reinterpret_cast<float*>(starts_ + kPanelRowBlock * kChunkGroups);
    sums_ = minima_ + kPanelRowBlock * kChunkGroups;
  }

  /// Tokens [first, first + count), `first` from a panel on. next_rows: of the block after this.
  void run(int64_t first, int64_t count, int64_t next_rows) {
    const int64_t panels = (count + kPanelTokens - 1) / kPanelTokens;
    __builtin_memset(sums_, 0, static_cast<Size>(panels * kPanelTokens * padded_ * 4));
    const int64_t tiles =
        (panels + kTilePanels - 1) / kTilePanels * ((padded_ + tile_rows_ - 1) / tile_rows_);
    for (int64_t k = 0; k < end_; k += kChunk) {
      const int64_t columns = min(kChunk, end_ - k), k_next = k + kChunk;
      decode(k, columns);
      NextChunk next = k_next < end_
                           ? NextChunk(a_, row_, rows_, k_next, min(kChunk, a_.in - k_next), tiles)
                           : NextChunk(a_, row_ + rows_, next_rows, 0, min(kChunk, a_.in), tiles);
      for (int64_t panel = 0; panel < panels; panel += kTilePanels) {
        ChunkTile t = tile_at(k, columns, first / kPanelTokens + panel);
        t.sums = sums_ + panel * kPanelTokens * padded_;
        multiply_panels(t, min(kTilePanels, panels - panel), next);
      }
    }
    for (int64_t panel = 0; panel < panels; panel += kTilePanels) {
      const int64_t token = panel * kPanelTokens, tokens = kTilePanels * kPanelTokens;
      store(sums_ + token * padded_, min(kTilePanels, panels - panel) * kPanelTokens,
            min(tokens, count - token), a_.y + (first + token) * a_.y_stride + row_);
    }
  }

 private:
  void decode(int64_t k, int64_t columns) {
    for (int64_t r = 0; r < rows_; ++r) decode_row(r, k, columns);
    // Tiles are whole: what they compute beyond the rows is not stored, but must be numbers.
    for (int64_t r = rows_; r < padded_; ++r) {
      __builtin_memset(decoded_ + r * kChunkStride, 0, kChunkStride);
    }
    if (!integers_) return;
    for (int64_t g = 0; g * group_ < columns; ++g) {
      for (int64_t r = 0; r < padded_; ++r) decode_scale(r, g, k / group_ + g);
    }
  }

  /// Of group g of the chunk, which is `group` of the row; rows that are not there repeat the last.
  void decode_scale(int64_t r, int64_t g, int64_t group) {
    const GroupScales of_row = scales_from(a_.w_groups, row_ + min(r, rows_ - 1));
    const int64_t at = g * kPanelRowBlock + r;
    scales_[at] = scale_to_f32(of_row.type, of_row.data[group]);
    if (r >= rows_) starts_[at] = 0;
    if (of_row.minima != nullptr) minima_[at] = minimum_at_middle(of_row, group, 8.0f);
  }

  /// Columns [k, k + columns) of row r of the block; k: a multiple of 128.
  void decode_row(int64_t r, int64_t k, int64_t columns) {
    const uint8_t* w = static_cast<const uint8_t*>(a_.w) +
                       (row_ + r) * stored_row_bytes(a_.w_type, a_.in) +
                       stored_row_bytes(a_.w_type, k);
    uint8_t* out = decoded_ + r * kChunkStride;
    float* numbers = reinterpret_cast<float*>(out);
    const int64_t in = min(a_.in - k, columns);
    switch (a_.w_type) {
      case WeightType::kF32:
        return;
      case WeightType::kBf16:
        return decode_to_f32(reinterpret_cast<const uint16_t*>(w), in, columns, numbers);
      case WeightType::kFp8E4m3:
        return decode_to_f32(w, in, columns, numbers);
      case WeightType::kInt8:
        return decode_to_words(w, in, columns, out);
      case WeightType::kInt4:
        return decode_to_bytes(w, in, columns, group_, out, starts_ + r, kPanelRowBlock);
    }
  }

  ChunkTile tile_at(int64_t k, int64_t columns, int64_t panel) const {
    // Bytes of a number; INT4's panels fill half of their room.
    const int64_t number = a_.w_type == WeightType::kInt4 ? 1 : integers_ ? 2 : 4;
    ChunkTile t{};
    t.x_panel = f32_panel_bytes(a_.form, a_.k_padded);
    t.x = a_.x + panel * t.x_panel + k * number * kPanelTokens;
    t.columns = columns;
    t.group = group_;
    t.x_scale_panel = panel_scales(a_.in, group_);
    if (a_.x_scale != nullptr) {
      t.x_scale = a_.x_scale + panel * t.x_scale_panel + k / group_ * kPanelTokens;
    }
    if (a_.x_sum != nullptr) {
      t.x_sum = a_.x_sum + panel * t.x_scale_panel + k / group_ * kPanelTokens;
    }
    if (!integers_ && a_.w_scale != nullptr) {
      t.w_scale =
          a_.w_scale + (a_.w_row_offset + row_) / kScaleBlock * a_.w_scale_stride + k / kScaleBlock;
    }
    return t;
  }

  /// All rows of the block against `panels` panels.
  void multiply_panels(ChunkTile t, int64_t panels, NextChunk& next) const {
    if constexpr (kTilePanels == 3) {
      if (panels == 3) return multiply_rows_of<3>(t, next);
      if (panels == 2) return multiply_rows_of<2>(t, next);
    }
    multiply_rows_of<1>(t, next);
  }

  template <int P>
  void multiply_rows_of(ChunkTile t, NextChunk& next) const {
    float* sums = t.sums;
    for (int64_t row = 0; row < padded_; row += tile_rows_) {
      t.w = decoded_ + row * kChunkStride;
      t.sums = sums + row * P * kPanelTokens;
      next.fetch();
      const bool whole = padded_ - row >= tile_rows_;
      if (!integers_) {
        whole ? multiply_numbers<kTileRows, P>(t) : multiply_numbers<kFewRows, P>(t);
        continue;
      }
      t.w_scale = scales_ + row;
      t.w_minimum = minima_ + row;
      t.starts = a_.w_type == WeightType::kInt4 ? starts_ + row : nullptr;
      whole ? multiply_integers<kIntegerRows, P>(t) : multiply_integers<kFewRows, P>(t);
    }
  }

  /// sums [rows][lanes] to y, of which `tokens` are wanted.
  void store(const float* sums, int64_t lanes, int64_t tokens, float* y) const {
    for (int64_t token = 0; token < tokens; token += Vec::kLanes) {
      for (int64_t row = 0; row < rows_; row += Vec::kLanes) {
        Vec block[Vec::kLanes];
        for (int r = 0; r < Vec::kLanes; ++r) {
          block[r] = row + r < rows_ ? Vec::load(sums + (row + r) * lanes + token) : Vec::zero();
        }
        transpose(block);
        const int64_t count = min(Vec::kLanes, tokens - token);
        for (int64_t i = 0; i < count; ++i) {
          store_n(block[i], y + (token + i) * a_.y_stride + row, rows_ - row);
        }
      }
    }
  }

  const PanelLinearArgs& a_;
  int64_t row_, rows_;
  int64_t tile_rows_, padded_;  // padded_: rows in whole tiles
  bool integers_;
  int64_t group_, end_;
  uint8_t* decoded_;  // [padded_] rows of a chunk
  float* scales_;     // [groups][kPanelRowBlock] of packed integers
  int32_t* starts_;   // the same
  float* minima_;     // the same
  float* sums_;       // [padded_][tokens] of each group of panels
};

/// Rows [begin, end) of w. scratch: panel_scratch_bytes().
void panel_linear_rows(const PanelLinearArgs& a, int64_t begin, int64_t end, void* scratch) {
  for (int64_t row = begin, rows; row < end; row += rows) {
    rows = block_rows(a, row, end, kPanelRowBlock);
    RowBlock block(a, row, rows, scratch);
    for (int64_t token = 0; token < a.tokens; token += kPanelTokenBlock) {
      block.run(token, min(kPanelTokenBlock, a.tokens - token),
                min(kPanelRowBlock, end - row - rows));
    }
  }
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
