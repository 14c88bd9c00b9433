#pragma once
// Chunks of absorbed MLA in vector registers: a cached row is broadcast pair by pair and meets 16
// heads at once; weighted, pairs of keys meet 8 heads at a time.
#include "kernels/cpu/attention/latent_scores.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

/// scores [keys][16] of a chunk.
void score_chunk(const LatentAttentionArgs& a, const uint16_t* rows, int64_t keys,
                 const uint16_t* panel, float* scores) {
  score_keys(a, rows, 0, keys, panel, scores);
}

/// 32 columns of H heads: out[h] = sum over keys of weight * row.
template <int H>
[[gnu::always_inline]] inline void weigh_columns(const uint16_t* rows, int64_t width, int64_t keys,
                                                 const uint16_t* weights, float* out,
                                                 int64_t rank) {
  Vec low[H], high[H];
#pragma GCC unroll 16
  for (int h = 0; h < H; ++h) low[h] = high[h] = Vec::zero();
  for (int64_t k = 0; k < keys; k += 2) {
    const uint16_t* row = rows + k * width;
    const KeyPairs pairs = interleave(row, k + 1 < keys ? row + width : nullptr);
#pragma GCC unroll 16
    for (int h = 0; h < H; ++h) {
      const __m512i weight = PanelBf16::broadcast(weights + k * kLatentHeads + 2 * h);
      low[h] = PanelBf16::accumulate(low[h], weight, pairs.lower);
      high[h] = PanelBf16::accumulate(high[h], weight, pairs.upper);
    }
  }
#pragma GCC unroll 16
  for (int h = 0; h < H; ++h) store_columns(low[h], high[h], out + h * rank);
}

/// out [16][rank] = sum over the chunk's keys of weight * latent.
void weigh_chunk(const LatentAttentionArgs& a, const uint16_t* rows, int64_t keys,
                 const uint16_t* weights, float* out) {
  const int64_t width = a.rank + a.rope;
  for (int64_t col = 0; col < a.rank; col += 32) {
    weigh_columns<8>(rows + col, width, keys, weights, out + col, a.rank);
    weigh_columns<8>(rows + col, width, keys, weights + 16, out + 8 * a.rank + col, a.rank);
  }
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
