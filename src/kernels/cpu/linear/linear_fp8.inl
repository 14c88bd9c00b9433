#pragma once
// FP8 weights times f32: a block of 128 codes becomes half precision in the first-level cache, from
// where the conversion to f32 is one instruction a vector.
//
// Invariant: y[t, o] is one accumulator for each block, which adds K in rising order, and one for
// the total, whatever the tile. So it depends on no other token. Weights are 2^-8 of their value
// and scales 2^8 of theirs, which changes no bit between 2^-118 and 2^119.
#include "kernels/api/linear.h"
#include "kernels/cpu/isa/vec_functions.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

/// Stores before it are not forwarded to loads after it in registers: a vector would be cut in
/// halves there, on the one port that shuffles.
inline void keep_in_memory() { asm volatile("" ::: "memory"); }

/// R rows of weights x T tokens, B blocks of 128 columns at once.
template <class Halves, int R, int T>
struct Fp8Tile {
  const float* x;
  int64_t x_stride;
  const float* x_scale;  // nullptr: 1
  int64_t x_scale_stride;
  const uint8_t* w;
  int64_t w_stride;
  const float* w_scale;  // of this row of blocks
  Vec total[R][T];
  Halves halves[R];

  /// Blocks [block, block + B).
  template <int B>
  [[gnu::always_inline]] inline void add_blocks(int64_t block) {
    add_blocks<B>(block, x + block * kScaleBlock, x_stride, w + block * kScaleBlock, w_stride);
  }

  template <int B>
  [[gnu::always_inline]] inline void add_blocks(int64_t block, const float* x_block, int64_t x_row,
                                                const uint8_t* w_block, int64_t w_row) {
    alignas(64) uint16_t half[R][B * kScaleBlock];
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
      for (int64_t i = 0; i < B * kScaleBlock; i += 32) {
        halves[r].decode(w_block + r * w_row + i, half[r] + i);
      }
    }
    keep_in_memory();
    Vec acc[B][R][T];
#pragma GCC unroll 16
    for (int i = 0; i < B * R * T; ++i) acc[i / (R * T)][i / T % R][i % T] = Vec::zero();
#pragma GCC unroll 2
    for (int64_t i = 0; i < kScaleBlock; i += Vec::kLanes) {
#pragma GCC unroll 4
      for (int b = 0; b < B; ++b) {
        Vec weights[R];
#pragma GCC unroll 2
        for (int r = 0; r < R; ++r) weights[r] = Halves::load(half[r] + b * kScaleBlock + i);
#pragma GCC unroll 4
        for (int t = 0; t < T; ++t) {
          const Vec numbers = Vec::load(x_block + t * x_row + b * kScaleBlock + i);
#pragma GCC unroll 2
          for (int r = 0; r < R; ++r) acc[b][r][t] = fma(weights[r], numbers, acc[b][r][t]);
        }
      }
    }
#pragma GCC unroll 4
    for (int b = 0; b < B; ++b) {
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) {
        const float of_x = x_scale != nullptr ? x_scale[t * x_scale_stride + block + b] : 1.0f;
        const Vec scale = Vec::set1(of_x * w_scale[block + b] * 0x1p8f);
#pragma GCC unroll 2
        for (int r = 0; r < R; ++r) total[r][t] = fma(acc[b][r][t], scale, total[r][t]);
      }
    }
  }

  /// The last `columns` < 128, from column 128 * block on.
  void add_end(int64_t block, int64_t columns) {
    float numbers[T][kScaleBlock] = {};
    uint8_t codes[R][kScaleBlock] = {};
    const int64_t begin = block * kScaleBlock;
    for (int64_t i = 0; i < columns; ++i) {
      for (int t = 0; t < T; ++t) numbers[t][i] = x[t * x_stride + begin + i];
      for (int r = 0; r < R; ++r) codes[r][i] = w[r * w_stride + begin + i];
    }
    add_blocks<1>(block, numbers[0], kScaleBlock, codes[0], kScaleBlock);
  }

  [[gnu::always_inline]] inline void run(int64_t in, float* y, int64_t y_stride) {
#pragma GCC unroll 8
    for (int i = 0; i < R * T; ++i) total[i / T][i % T] = Vec::zero();
    // One row of one token has one chain of sums a block: two blocks at once hide its latency.
    constexpr int kBlocks = R * T == 1 ? 4 : 1;
    const int64_t whole = in / kScaleBlock;
    int64_t block = 0;
    for (; block + kBlocks <= whole; block += kBlocks) {
      prefetch(block * kScaleBlock, kBlocks * kScaleBlock);
      add_blocks<kBlocks>(block);
    }
    if constexpr (kBlocks > 1) {
      if (block + 2 <= whole) {
        add_blocks<2>(block);
        block += 2;
      }
      if (block < whole) add_blocks<1>(block++);
    }
    if (whole * kScaleBlock < in) add_end(whole, in - whole * kScaleBlock);
    for (int r = 0; r < R; ++r) {
      const float bad = halves[r].any_nan() ? __builtin_nanf("") : 0.0f;
      for (int t = 0; t < T; ++t) y[t * y_stride + r] = reduce_add(total[r][t]) + bad;
    }
  }

  /// What is read next: of the same columns of the next rows, or of this row.
  [[gnu::always_inline]] inline void prefetch(int64_t col, int64_t columns) const {
    for (int r = 0; r < R; ++r) {
      const uint8_t* soon = w + r * w_stride + col + (R > 1 ? R * w_stride : kPrefetchBytes);
      for (int64_t i = 0; i < columns; i += 64) __builtin_prefetch(soon + i);
    }
  }
};

template <class Halves, int R, int T>
void linear_fp8_tile(const LinearArgs& a, int64_t row, int64_t token) {
  const int64_t scale_row = (a.w_row_offset + row) / kScaleBlock;
  Fp8Tile<Halves, R, T> tile{static_cast<const float*>(a.x) + token * a.x_stride,
                             a.x_stride,
                             a.x_scale == nullptr ? nullptr : a.x_scale + token * a.x_scale_stride,
                             a.x_scale_stride,
                             static_cast<const uint8_t*>(a.w) + row * a.in,
                             a.in,
                             a.w_scale + scale_row * a.w_scale_stride,
                             {},
                             {}};
  tile.run(a.in, a.y + token * a.y_stride + row, a.y_stride);
}

/// All tokens of R rows: beyond the first tile weights come from the first-level cache.
template <class Halves, int R>
void linear_fp8_row_tiles(const LinearArgs& a, int64_t row) {
  int64_t t = 0;
  for (; t + 4 <= a.tokens; t += 4) linear_fp8_tile<Halves, R, 4>(a, row, t);
  for (; t + 2 <= a.tokens; t += 2) linear_fp8_tile<Halves, R, 2>(a, row, t);
  if (t < a.tokens) linear_fp8_tile<Halves, R, 1>(a, row, t);
}

/// Halves: E4m3Halves, which says whether the ISA has them.
template <class Halves>
void linear_fp8_rows(const LinearArgs& a, int64_t begin, int64_t end) {
  // One token is bound by reading: row after row is one stream. Two rows lie in one row of blocks.
  const int64_t left = a.w_row_offset % 2;  // before the first such pair
  int64_t row = begin;
  while (row < end) {
    if (a.tokens > 1 && (row + left) % 2 == 0 && row + 2 <= end) {
      linear_fp8_row_tiles<Halves, 2>(a, row);
      row += 2;
    } else {
      linear_fp8_row_tiles<Halves, 1>(a, row);
      row += 1;
    }
  }
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
