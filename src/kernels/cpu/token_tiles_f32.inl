// Tiles of many rows in f32, or in integers of 16 bits and of bytes: rows of weights are broadcast,
// tokens are lanes. A block of weight rows is decoded some columns at a time; such a chunk and the
// same columns of a panel stay in the first-level cache while they meet, and the sums wait in
// scratch.
//
// Invariant: y[t, o] is one accumulator that meets K in rising order (with scales: one for each
// group and one for the total), whatever the tile. So it depends on no other token.
namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

/// A tile: rows of weights x panels of tokens; fewer rows and panels at the ends.
constexpr int kTileRows = Vec::kPanelTileRows, kFewRows = 4;
constexpr int kTilePanels = Vec::kPanelTilePanels;
/// Integers are multiplied and added in two instructions: with 16 registers the products need room.
constexpr int kIntegerRows = kTileRows == 6 ? 4 : kTileRows;
/// Columns of a chunk: of f32 numbers 16 tokens have 16 KiB, 48 have 24 KiB.
constexpr int64_t kChunk = kTilePanels == 1 ? 256 : 128;
constexpr int64_t kChunkGroups = kChunk / 32;  // at most
constexpr int64_t kChunkStride = kChunk * 4 + 64;
static_assert(kChunkStride + kChunkGroups * 8 <= 2 * 512 + 64 + 512 / 32 * 4);  // of the scratch
static_assert(kPanelRowBlock % kTileRows <= kFewRows && kPanelRowBlock % kFewRows == 0);

/// What one tile multiplies.
struct ChunkTile {
  const uint8_t* x;  // the first panel, from the chunk's first column on
  int64_t x_panel;   // bytes from a panel to the next
  const uint8_t* w;  // decoded rows, kChunkStride apart
  int64_t columns, group;
  const float* x_scale;  // of the chunk's first group; nullptr: 1
  int64_t x_scale_panel;
  const float* w_scale;   // FP8: of the chunk's first block. Integers: [groups][kPanelRowBlock].
                          // BF16: nullptr
  const int32_t* starts;  // INT4: the same; otherwise nullptr
  float* sums;            // [rows][tokens of P panels]  added to
};

template <int P>
constexpr int kVecs = P* kPanelVecs;

/// Vector v of a step of K that takes `bytes` of each panel.
inline const uint8_t* vector_at(const ChunkTile& t, int v, int64_t step, int64_t bytes) {
  return t.x + v / kPanelVecs * t.x_panel + step * bytes + v % kPanelVecs * 4 * Vec::kLanes;
}

/// acc += columns [begin, end).
template <int R, int P>
[[gnu::always_inline]] inline void f32_span(const ChunkTile& t, int64_t begin, int64_t end,
                                            Vec (&acc)[R][kVecs<P>]) {
  for (int64_t k = begin; k < end; ++k) {
    Vec tokens[kVecs<P>];
#pragma GCC unroll 4
    for (int v = 0; v < kVecs<P>; ++v) {
      tokens[v] = Vec::load(reinterpret_cast<const float*>(vector_at(t, v, k, 4 * kPanelTokens)));
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const Vec weight = Vec::set1(reinterpret_cast<const float*>(t.w + r * kChunkStride)[k]);
#pragma GCC unroll 4
      for (int v = 0; v < kVecs<P>; ++v) acc[r][v] = fma(weight, tokens[v], acc[r][v]);
    }
  }
}

template <int R, int P>
void bf16_chunk(const ChunkTile& t) {
  constexpr int V = kVecs<P>;
  Vec acc[R][V];
#pragma GCC unroll 32
  for (int i = 0; i < R * V; ++i) acc[i / V][i % V] = Vec::load(t.sums + i * Vec::kLanes);
  f32_span<R, P>(t, 0, t.columns, acc);
#pragma GCC unroll 32
  for (int i = 0; i < R * V; ++i) acc[i / V][i % V].store(t.sums + i * Vec::kLanes);
}

/// sums += acc times the scales of group g; of_row(r): its weights'.
template <int R, int P, typename OfRow>
[[gnu::always_inline]] inline void add_scaled(const ChunkTile& t, int64_t g,
                                              const Vec (&acc)[R][kVecs<P>], OfRow&& of_row) {
  constexpr int V = kVecs<P>;
  Vec of_tokens[V];
#pragma GCC unroll 4
  for (int v = 0; v < V; ++v) {
    of_tokens[v] = t.x_scale == nullptr
                       ? Vec::set1(1.0f)
                       : Vec::load(t.x_scale + v / kPanelVecs * t.x_scale_panel + g * kPanelTokens +
                                   v % kPanelVecs * Vec::kLanes);
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    const Vec of_weights = Vec::set1(of_row(r));
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      float* sum = t.sums + (r * V + v) * Vec::kLanes;
      fma(acc[r][v], of_weights * of_tokens[v], Vec::load(sum)).store(sum);
    }
  }
}

template <int R, int P>
void fp8_chunk(const ChunkTile& t) {
  constexpr int V = kVecs<P>;
  for (int64_t k = 0; k < t.columns; k += kScaleBlock) {
    Vec acc[R][V];
#pragma GCC unroll 32
    for (int i = 0; i < R * V; ++i) acc[i / V][i % V] = Vec::zero();
    f32_span<R, P>(t, k, k + kScaleBlock, acc);
    const int64_t block = k / kScaleBlock;
    add_scaled<R, P>(t, block, acc, [&](int) { return t.w_scale[block]; });
  }
}

/// Exact sums of group g to `sums`, which then are scaled.
template <int R, int P>
[[gnu::always_inline]] inline void add_integers(const ChunkTile& t, int64_t g,
                                                const Pairs (&sums)[R][kVecs<P>]) {
  constexpr int V = kVecs<P>;
  Vec acc[R][V];
#pragma GCC unroll 32
  for (int i = 0; i < R * V; ++i) acc[i / V][i % V] = to_f32(sums[i / V][i % V]);
  add_scaled<R, P>(t, g, acc, [&](int r) { return t.w_scale[g * kPanelRowBlock + r]; });
}

template <int R, int P>
void int8_chunk(const ChunkTile& t) {
  constexpr int V = kVecs<P>;
  for (int64_t g = 0; g * t.group < t.columns; ++g) {
    Pairs acc[R][V];
#pragma GCC unroll 32
    for (int i = 0; i < R * V; ++i) acc[i / V][i % V] = Pairs::set1(0);
#pragma GCC unroll 4
    for (int64_t step = g * t.group / 2; step < (g + 1) * t.group / 2; ++step) {
      Pairs tokens[V];
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) tokens[v] = Pairs::load(vector_at(t, v, step, 4 * kPanelTokens));
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const Pairs weights = Pairs::broadcast(t.w + r * kChunkStride + 4 * step);
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) acc[r][v] = acc[r][v] + multiply_words(tokens[v], weights);
      }
    }
    add_integers<R, P>(t, g, acc);
  }
}

/// Sums of 32 columns fit 16 bits: 8 * 2 * 255 * 8 = 32,640.
template <int R, int P>
[[gnu::always_inline]] inline void int4_words(const ChunkTile& t, int64_t step,
                                              Pairs (&words)[R][kVecs<P>]) {
  constexpr int V = kVecs<P>;
#pragma GCC unroll 32
  for (int i = 0; i < R * V; ++i) words[i / V][i % V] = Pairs::set1(0);
#pragma GCC unroll 1
  for (int64_t end = step + 8; step < end; ++step) {
    Pairs tokens[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) tokens[v] = Pairs::load(vector_at(t, v, step, 4 * kPanelTokens));
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const Pairs weights = Pairs::broadcast(t.w + r * kChunkStride + 4 * step);
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) {
        words[r][v] = add_words(words[r][v], multiply_bytes(tokens[v], weights));
      }
    }
  }
}

template <int R, int P>
void int4_chunk(const ChunkTile& t) {
  constexpr int V = kVecs<P>;
  const Pairs ones = Pairs::set1(0x00010001);
  for (int64_t g = 0; g * t.group < t.columns; ++g) {
    Pairs acc[R][V];  // more than registers hold
#pragma GCC unroll 32
    for (int i = 0; i < R * V; ++i) {
      acc[i / V][i % V] = Pairs::set1(t.starts[g * kPanelRowBlock + i / V]);
    }
    for (int64_t step = g * t.group / 4; step < (g + 1) * t.group / 4; step += 8) {
      Pairs words[R][V];
      int4_words<R, P>(t, step, words);
#pragma GCC unroll 32
      for (int i = 0; i < R * V; ++i) {
        acc[i / V][i % V] = acc[i / V][i % V] + multiply_words(words[i / V][i % V], ones);
      }
    }
    add_integers<R, P>(t, g, acc);
  }
}

/// FP8 or BF16.
template <int R, int P>
void multiply_numbers(const ChunkTile& t) {
  t.w_scale != nullptr ? fp8_chunk<R, P>(t) : bf16_chunk<R, P>(t);
}

template <int R, int P>
void multiply_integers(const ChunkTile& t) {
  t.starts != nullptr ? int4_chunk<R, P>(t) : int8_chunk<R, P>(t);
}

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
    for (int64_t i = smaller(a_tile_, left_); i > 0; --i, --left_) {
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
    sums_ = reinterpret_cast<float*>(starts_ + kPanelRowBlock * kChunkGroups);
  }

  /// Tokens [first, first + count), `first` from a panel on. next_rows: of the block after this.
  void run(int64_t first, int64_t count, int64_t next_rows) {
    const int64_t panels = (count + kPanelTokens - 1) / kPanelTokens;
    __builtin_memset(sums_, 0, static_cast<Size>(panels * kPanelTokens * padded_ * 4));
    const int64_t tiles =
        (panels + kTilePanels - 1) / kTilePanels * ((padded_ + tile_rows_ - 1) / tile_rows_);
    for (int64_t k = 0; k < end_; k += kChunk) {
      const int64_t columns = smaller(kChunk, end_ - k), k_next = k + kChunk;
      decode(k, columns);
      NextChunk next =
          k_next < end_ ? NextChunk(a_, row_, rows_, k_next, smaller(kChunk, a_.in - k_next), tiles)
                        : NextChunk(a_, row_ + rows_, next_rows, 0, smaller(kChunk, a_.in), tiles);
      for (int64_t panel = 0; panel < panels; panel += kTilePanels) {
        ChunkTile t = tile_at(k, columns, first / kPanelTokens + panel);
        t.sums = sums_ + panel * kPanelTokens * padded_;
        multiply_panels(t, smaller(kTilePanels, panels - panel), next);
      }
    }
    for (int64_t panel = 0; panel < panels; panel += kTilePanels) {
      const int64_t token = panel * kPanelTokens, tokens = kTilePanels * kPanelTokens;
      store(sums_ + token * padded_, smaller(kTilePanels, panels - panel) * kPanelTokens,
            smaller(tokens, count - token), a_.y + (first + token) * a_.y_stride + row_);
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
      const uint16_t* of_group = a_.w_groups.data + k / group_ + g;
      for (int64_t r = 0; r < padded_; ++r) {
        const int64_t row = row_ + smaller(r, rows_ - 1);
        scales_[g * kPanelRowBlock + r] = bf16_to_f32(of_group[row * a_.w_groups.stride]);
        if (r >= rows_) starts_[g * kPanelRowBlock + r] = 0;
      }
    }
  }

  /// Columns [k, k + columns) of row r of the block; k: a multiple of 128.
  void decode_row(int64_t r, int64_t k, int64_t columns) {
    const uint8_t* w = static_cast<const uint8_t*>(a_.w) +
                       (row_ + r) * stored_row_bytes(a_.w_type, a_.in) +
                       stored_row_bytes(a_.w_type, k);
    uint8_t* out = decoded_ + r * kChunkStride;
    float* numbers = reinterpret_cast<float*>(out);
    const int64_t in = smaller(a_.in - k, columns);
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
    // Bytes of a number; INT4's panels are half as long as their place.
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
      t.starts = a_.w_type == WeightType::kInt4 ? starts_ + row : nullptr;
      whole ? multiply_integers<kIntegerRows, P>(t) : multiply_integers<kFewRows, P>(t);
    }
  }

  /// sums [rows][lanes] to y, of which `tokens` are wanted.
  void store(const float* sums, int64_t lanes, int64_t tokens, float* y) const {
    for (int64_t token = 0; token < tokens; token += Vec::kLanes) {
      for (int64_t row = 0; row < rows_; row += Vec::kLanes) {
        Vec turned[Vec::kLanes];
        for (int r = 0; r < Vec::kLanes; ++r) {
          turned[r] = row + r < rows_ ? Vec::load(sums + (row + r) * lanes + token) : Vec::zero();
        }
        transpose(turned);
        const int64_t count = smaller(Vec::kLanes, tokens - token);
        for (int64_t i = 0; i < count; ++i) {
          store_n(turned[i], y + (token + i) * a_.y_stride + row, rows_ - row);
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
  float* sums_;       // [padded_][tokens] of each group of panels
};

/// Rows [begin, end) of w. scratch: panel_scratch_bytes().
void panel_linear_rows(const PanelLinearArgs& a, int64_t begin, int64_t end, void* scratch) {
  for (int64_t row = begin, rows; row < end; row += rows) {
    rows = block_rows(a, row, end, kPanelRowBlock);
    RowBlock block(a, row, rows, scratch);
    for (int64_t token = 0; token < a.tokens; token += kPanelTokenBlock) {
      block.run(token, smaller(kPanelTokenBlock, a.tokens - token),
                smaller(kPanelRowBlock, end - row - rows));
    }
  }
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
