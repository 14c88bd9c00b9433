#pragma once
// Products of BF16 panels in AMX's tile registers: blocks of 32 x 32 results.
//
// A panel of b is a B as it lies, 16 columns and 32 numbers of K in 1024 bytes. An A holds 16 rows
// one after the other: a left operand in rows is that as it lies. Panels of a are transposed, 32
// rows and a chunk of K at a time, and all columns of the block share what that costs.
//
// Invariant: a result is one accumulator that adds K in steps of 32 (with scales: one for each
// 128, and one for the total), whatever the chunk, the block and the tile. So it depends on no
// other row.
#include "kernels/cpu/gemm/gemm_micro.inl"
#include "kernels/cpu/isa/tiles_amx.h"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

constexpr int64_t kTileDepth = 32;  // numbers of K in a tile
constexpr int64_t kTileBlock = 2;   // tiles of a block, either way
constexpr int64_t kTileBlockRows = kTileBlock * kPanelRows;
/// Numbers of K that all columns of a block are multiplied with before the next ones. Longer ones
/// reach memory less often for results, shorter ones stay nearer: this is where they balance.
constexpr int64_t kTileChunk = 1024;

/// What one block of tiles multiplies.
struct TileSpan {
  const uint16_t* a;  // [k/32][16][32] of 16 rows
  int64_t a_panel;    // numbers from 16 rows to the next
  const uint16_t* b;  // [k/32][16 pairs][16][2]
  int64_t b_panel;
  const float* a_scale;  // scaled products: of row 0, kPanelRows from a block of 128 to the next
  int64_t a_scale_panel;
  const float* b_scale;
  int64_t b_scale_panel;
  int64_t k;  // a multiple of kTileDepth
  float* c;
  int64_t c_stride;
  int64_t rows, cols;  // wanted
  bool accumulate;
};

/// to[rows, cols] = from[rows, cols].
inline void copy_results(const float* from, int64_t from_stride, float* to, int64_t to_stride,
                         int64_t rows, int64_t cols) {
  for (int64_t j = 0; j < cols; j += Vec::kLanes) {
    const int64_t count = min(Vec::kLanes, cols - j);
    const __mmask16 mask = static_cast<__mmask16>((1u << count) - 1);
    for (int64_t r = 0; r < rows; ++r) {
      _mm512_mask_storeu_ps(to + r * to_stride + j, mask,
                            _mm512_maskz_loadu_ps(mask, from + r * from_stride + j));
    }
  }
}

/// Fetches the lines of a block of results, some a step of K, while it is multiplied: stores that
/// wait for memory would hold up the next block.
template <int R, int P>
struct ResultLines {
  static constexpr int64_t kLines = R * P * kPanelRows;
  int64_t each, next = 0;

  explicit ResultLines(int64_t steps) : each((kLines + steps - 1) / steps) {}

  void fetch(const TileSpan& s) {
    for (const int64_t end = min(kLines, next + each); next < end; ++next) {
      __builtin_prefetch(s.c + next / P * s.c_stride + next % P * kPanelRows, 1);
    }
  }
};

template <int R, int P>
inline void multiply_tile_step(const TileSpan& s, int64_t k) {
  TileBlock<R, P>::load(reinterpret_cast<const uint8_t*>(s.a + k * kPanelRows), 64, 2 * s.a_panel,
                        reinterpret_cast<const uint8_t*>(s.b + k * kPanelRows), 2 * s.b_panel);
  TileBlock<R, P>::add_bf16();
}

template <int R, int P>
void multiply_tile_block(const TileSpan& s) {
  s.accumulate ? TileBlock<R, P>::load_rows(s.c, s.c_stride) : TileBlock<R, P>::zero();
  ResultLines<R, P> lines(s.k / kTileDepth);
  for (int64_t k = 0; k < s.k; k += kTileDepth) {
    lines.fetch(s);
    multiply_tile_step<R, P>(s, k);
  }
  TileBlock<R, P>::store_rows(s.c, s.c_stride);
}

/// Steps of K of a scaled sum, and parts of what is done with it.
constexpr int64_t kScaleSteps = kScaleBlock / kTileDepth;

/// Part `part` of kScaleSteps of: total [R * 16][P * 16] (+)= sums * the scales of block `block`.
/// The last block's goes to c.
template <int R, int P, bool kLast>
inline void add_scaled_sums(const TileSpan& s, int64_t block, const float* sums, int part,
                            float* total) {
  constexpr int kRows = R * static_cast<int>(kPanelRows / kScaleSteps), kWidth = P * Vec::kLanes;
  const int first = part * kRows;
  const float* row_scale =
      s.a_scale + first / kPanelRows * s.a_scale_panel + block * kPanelRows + first % kPanelRows;
  const bool is_first = block == 0 && !s.accumulate;
  Vec column[P];
  __mmask16 wanted[P];
#pragma GCC unroll 2
  for (int p = 0; p < P; ++p) {
    column[p] = Vec::load(s.b_scale + p * s.b_scale_panel + block * kPanelRows);
    const int64_t cols = min(Vec::kLanes, s.cols - p * Vec::kLanes);
    wanted[p] = static_cast<__mmask16>((1u << cols) - 1);
  }
#pragma GCC unroll 8
  for (int i = first; i < first + kRows; ++i) {
    const Vec row = Vec::set1(row_scale[i - first]);
#pragma GCC unroll 2
    for (int p = 0; p < P; ++p) {
      const int at = i * kWidth + p * Vec::kLanes;
      const Vec before = is_first ? Vec::zero() : Vec::load(total + at);
      const Vec sum = fma(Vec::load(sums + at), row * column[p], before);
      if constexpr (!kLast) {
        sum.store(total + at);
      } else if (i < s.rows) {
        _mm512_mask_storeu_ps(s.c + i * s.c_stride + p * Vec::kLanes, wanted[p], sum.v);
      }
    }
  }
}

/// c (+)= sum over blocks of 128: (a.b of the block) * a_scale * b_scale. The sums of one block are
/// scaled while tiles multiply the next.
template <int R, int P>
void multiply_scaled_tile_block(const TileSpan& s) {
  constexpr int64_t kWidth = P * kPanelRows, kNumbers = R * kPanelRows * kWidth;
  alignas(64) float total[kNumbers], sums[2][kNumbers];
  if (s.accumulate) copy_results(s.c, s.c_stride, total, kWidth, s.rows, s.cols);
  const int64_t blocks = (s.k + kScaleBlock - 1) / kScaleBlock;
  ResultLines<R, P> lines(blocks);
  for (int64_t block = 0; block < blocks; ++block) {
    lines.fetch(s);
    TileBlock<R, P>::zero();
#pragma GCC unroll 4
    for (int step = 0; step < kScaleSteps; ++step) {
      const int64_t k = block * kScaleBlock + step * kTileDepth;
      if (k < s.k) multiply_tile_step<R, P>(s, k);
      if (block > 0) {
        add_scaled_sums<R, P, false>(s, block - 1, sums[(block - 1) % 2], step, total);
      }
    }
    TileBlock<R, P>::store_rows(sums[block % 2], kWidth);
  }
  for (int part = 0; part < kScaleSteps; ++part) {
    add_scaled_sums<R, P, true>(s, blocks - 1, sums[(blocks - 1) % 2], part, total);
  }
}

/// Tiles are whole: a block that overhangs goes through a buffer.
template <bool kScaled, int R, int P>
void multiply_tiles(TileSpan s) {
  if constexpr (kScaled) {
    multiply_scaled_tile_block<R, P>(s);
  } else {
    if (s.rows == R * kPanelRows && s.cols == P * kPanelRows) return multiply_tile_block<R, P>(s);
    alignas(64) float buffer[R * P * kPanelRows * kPanelRows] = {};
    float* c = s.c;
    const int64_t stride = s.c_stride;
    if (s.accumulate) copy_results(c, stride, buffer, P * kPanelRows, s.rows, s.cols);
    s.c = buffer;
    s.c_stride = P * kPanelRows;
    multiply_tile_block<R, P>(s);
    copy_results(buffer, P * kPanelRows, c, stride, s.rows, s.cols);
  }
}

template <bool kScaled>
inline void multiply_tiles(const TileSpan& s) {
  const bool tall = s.rows > kPanelRows, wide = s.cols > kPanelRows;
  if (tall) return wide ? multiply_tiles<kScaled, 2, 2>(s) : multiply_tiles<kScaled, 2, 1>(s);
  wide ? multiply_tiles<kScaled, 1, 2>(s) : multiply_tiles<kScaled, 1, 1>(s);
}

/// Pairs of K across rows and rows across pairs: the numbers [from, from + k) of a panel as tiles
/// of rows, or the other way round.
inline void transpose_panel(const uint16_t* panel, int64_t k, uint16_t* transposed) {
  constexpr int64_t kNumbers = kPanelRows * kTileDepth;
  for (int64_t at = 0; at < k * kPanelRows; at += kNumbers) {
    Vec block[Vec::kLanes];
#pragma GCC unroll 16
    for (int i = 0; i < Vec::kLanes; ++i) {
      __builtin_memcpy(&block[i], panel + at + i * kTileDepth, sizeof(Vec));
    }
    transpose(block);
#pragma GCC unroll 16
    for (int i = 0; i < Vec::kLanes; ++i) {
      __builtin_memcpy(transposed + at + i * kTileDepth, &block[i], sizeof(Vec));
    }
  }
}

/// One chunk of K: all rows against all columns.
template <bool kScaled>
void multiply_tile_chunk(const PanelProduct<PanelBf16>& p) {
  alignas(64) uint16_t transposed[kTileBlockRows * kTileChunk];
  TileSpan s{};
  s.a = transposed;
  s.a_panel = p.a_in_rows ? p.a_panel : kPanelRows * kTileChunk;
  s.b_panel = p.b_panel;
  s.a_scale_panel = p.a_scale_panel;
  s.b_scale_panel = p.b_scale_panel;
  s.k = p.k;
  s.c_stride = p.c_stride;
  s.accumulate = p.accumulate;
  for (int64_t m = 0; m < p.m; m += kTileBlockRows) {
    s.rows = min(kTileBlockRows, p.m - m);
    if (p.a_in_rows) {
      s.a = p.a + m / kPanelRows * p.a_panel;
    } else {
      for (int64_t r = 0; r < s.rows; r += kPanelRows) {
        transpose_panel(p.a + (m + r) / kPanelRows * p.a_panel, p.k, transposed + r * kTileChunk);
      }
    }
    if constexpr (kScaled) s.a_scale = p.a_scale + m / kPanelRows * p.a_scale_panel;
    for (int64_t n = 0; n < p.n; n += kTileBlockRows) {
      s.cols = min(kTileBlockRows, p.n - n);
      s.b = p.b + n / kPanelRows * p.b_panel;
      if constexpr (kScaled) s.b_scale = p.b_scale + n / kPanelRows * p.b_scale_panel;
      s.c = p.c + m * p.c_stride + n;
      multiply_tiles<kScaled>(s);
    }
  }
}

/// k_real: what is not zero of K.
template <bool kScaled>
void gemm_tiles(PanelProduct<PanelBf16> p, int64_t k_real) {
  const TileRegisters registers;
  const int64_t k_end = (k_real + kTileDepth - 1) / kTileDepth * kTileDepth;
  for (int64_t k = 0; k < k_end; k += kTileChunk) {
    p.k = min(kTileChunk, k_end - k);
    multiply_tile_chunk<kScaled>(p);
    p.a += p.k * kPanelRows;
    p.b += p.k * kPanelRows;
    if constexpr (kScaled) {
      p.a_scale += p.k / kScaleBlock * kPanelRows;
      p.b_scale += p.k / kScaleBlock * kPanelRows;
    }
    p.accumulate = true;
  }
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
