#pragma once
// A chunk of columns of a few rows of weights times panels of tokens, in f32 or in integers of 16
// bits and of bytes: rows are broadcast, tokens are lanes.
#include "kernels/cpu/isa/int16_pairs.h"
#include "kernels/cpu/prefill_linear/panels_f32.inl"

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
static_assert(kChunkStride + kChunkGroups * 12 <= 2 * 512 + 64 + 512 / 32 * 8);  // of the scratch
static_assert(kPanelRowBlock % kTileRows <= kFewRows && kPanelRowBlock % kFewRows == 0);

/// What one tile multiplies.
struct ChunkTile {
  const uint8_t* x;  // the first panel, from the chunk's first column on
  int64_t x_panel;   // bytes from a panel to the next
  const uint8_t* w;  // decoded rows, kChunkStride apart
  int64_t columns, group;
  const float* x_scale;  // of the chunk's first group; nullptr: 1
  const float* x_sum;    // the same, beside minima; else nullptr
  int64_t x_scale_panel;
  const float* w_scale;   // FP8: of the chunk's first block. Integers: [groups][kPanelRowBlock].
                          // BF16: nullptr
  const float* w_minimum;  // the same, beside x_sum
  const int32_t* starts;   // INT4: the same; otherwise nullptr
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

/// Vector v of the tile's tokens, of group g in an array that is laid out as x_scale.
inline Vec of_tokens_of(const float* array, const ChunkTile& t, int64_t g, int v) {
  return Vec::load(array + v / kPanelVecs * t.x_scale_panel + g * kPanelTokens +
                   v % kPanelVecs * Vec::kLanes);
}

/// sums += acc times the scales of group g; of_row(r): its weights'.
template <int R, int P, typename OfRow>
[[gnu::always_inline]] inline void add_scaled(const ChunkTile& t, int64_t g,
                                              const Vec (&acc)[R][kVecs<P>], OfRow&& of_row) {
  constexpr int V = kVecs<P>;
  Vec of_tokens[V];
#pragma GCC unroll 4
  for (int v = 0; v < V; ++v) {
    of_tokens[v] = t.x_scale == nullptr ? Vec::set1(1.0f) : of_tokens_of(t.x_scale, t, g, v);
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

/// sums += the minima of group g times the tokens' sums of codes.
template <int R, int P>
void add_minima(const ChunkTile& t, int64_t g) {
  constexpr int V = kVecs<P>;
  for (int r = 0; r < R; ++r) {
    const Vec minimum = Vec::set1(t.w_minimum[g * kPanelRowBlock + r]);
    for (int v = 0; v < V; ++v) {
      float* sum = t.sums + (r * V + v) * Vec::kLanes;
      fma(of_tokens_of(t.x_sum, t, g, v), minimum, Vec::load(sum)).store(sum);
    }
  }
}

template <int R, int P>
void int8_chunk(const ChunkTile& t) {
  constexpr int V = kVecs<P>;
  for (int64_t g = 0; g * t.group < t.columns; ++g) {
    Pairs acc[R][V];
#pragma GCC unroll 32
    for (int i = 0; i < R * V; ++i) acc[i / V][i % V] = Pairs::set1(0);
    const int64_t first = g * t.group / 2, end = first + t.group / 2;
#pragma GCC unroll 4
    for (int64_t step = first; step < end; ++step) {
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
    if (t.x_sum != nullptr) add_minima<R, P>(t, g);
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

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
