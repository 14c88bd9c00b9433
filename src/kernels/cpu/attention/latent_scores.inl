#pragma once
// What both ways to multiply a chunk of absorbed MLA share.
#include "kernels/api/latent_attention.h"
#include "kernels/cpu/isa/dot_bf16.h"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

constexpr int kLatentLanes = static_cast<int>(kLatentHeads);

/// scores[k][head] = scale * q . row k for K rows.
template <int K>
[[gnu::always_inline]] inline void score_rows(const uint16_t* rows, int64_t width,
                                              const uint16_t* panel, float scale, float* scores) {
  Vec acc[K];
#pragma GCC unroll 16
  for (int k = 0; k < K; ++k) acc[k] = Vec::zero();
  for (int64_t i = 0; i < width; i += 2) {
    const __m512i q = PanelBf16::load(panel + i * kLatentHeads);
#pragma GCC unroll 16
    for (int k = 0; k < K; ++k) {
      acc[k] = PanelBf16::accumulate(acc[k], q, PanelBf16::broadcast(rows + k * width + i));
    }
  }
#pragma GCC unroll 16
  for (int k = 0; k < K; ++k) (acc[k] * Vec::set1(scale)).store(scores + k * kLatentHeads);
}

/// Scores of the keys [first, keys) of a chunk.
void score_keys(const LatentAttentionArgs& a, const uint16_t* rows, int64_t first, int64_t keys,
                const uint16_t* panel, float* scores) {
  const int64_t width = a.rank + a.rope;
  int64_t k = first;
  for (; k + 12 <= keys; k += 12) {
    score_rows<12>(rows + k * width, width, panel, a.scale, scores + k * kLatentHeads);
  }
  for (; k + 4 <= keys; k += 4) {
    score_rows<4>(rows + k * width, width, panel, a.scale, scores + k * kLatentHeads);
  }
  for (; k < keys; ++k) {
    score_rows<1>(rows + k * width, width, panel, a.scale, scores + k * kLatentHeads);
  }
}

/// 32 columns of one head from the sums of the columns' halves, in the order of interleave().
inline void store_columns(Vec lower, Vec upper, float* out) {
  const __m512 even = _mm512_shuffle_f32x4(lower.v, upper.v, 0x44);  // 0 8 | 4 12
  const __m512 odd = _mm512_shuffle_f32x4(lower.v, upper.v, 0xee);   // 16 24 | 20 28
  Vec{_mm512_shuffle_f32x4(even, even, 0xd8)}.store(out);
  Vec{_mm512_shuffle_f32x4(odd, odd, 0xd8)}.store(out + 16);
}

/// Pairs of two keys' 32 columns: columns 0-3 8-11 16-19 24-27, and 4-7 12-15 20-23 28-31.
struct KeyPairs {
  __m512i lower, upper;
};
/// `second` is nullptr behind an odd last key.
inline KeyPairs interleave(const uint16_t* first, const uint16_t* second) {
  const __m512i a = _mm512_loadu_si512(first);
  const __m512i b = second != nullptr ? _mm512_loadu_si512(second) : _mm512_setzero_si512();
  return {_mm512_unpacklo_epi16(a, b), _mm512_unpackhi_epi16(a, b)};
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
