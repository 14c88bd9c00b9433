#pragma once
// Products of absorbed MLA in vector registers. QK^T broadcasts a cached row pair by pair against
// the 16 heads of a register; PV multiplies pairs of keys with the weights of 8 heads at a time.
#include "kernels/cpu/attention/latent_scores.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

/// scores [keys][16] of a chunk: scale Q K^T.
void multiply_qk(const LatentAttentionArgs& a, const uint16_t* rows, int64_t keys,
                 const uint16_t* queries, float* scores) {
  score_keys(a, rows, 0, keys, queries, scores);
}

/// 32 columns of H heads: out[h] = sum over keys of weight * row.
template <int H>
[[gnu::always_inline]] inline void multiply_pv_columns(const uint16_t* rows, int64_t width,
                                                       int64_t keys, const uint16_t* weights,
                                                       float* out, int64_t rank) {
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

/// out [16][rank] = P V: sums over the chunk's keys of weight * latent.
void multiply_pv(const LatentAttentionArgs& a, const uint16_t* rows, int64_t keys,
                 const uint16_t* weights, float* out) {
  const int64_t width = a.rank + a.rope;
  for (int64_t col = 0; col < a.rank; col += 32) {
    multiply_pv_columns<8>(rows + col, width, keys, weights, out + col, a.rank);
    multiply_pv_columns<8>(rows + col, width, keys, weights + 16, out + 8 * a.rank + col, a.rank);
  }
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
