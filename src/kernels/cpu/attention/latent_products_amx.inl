#pragma once
// Products of absorbed MLA in tile registers. QK^T: cached rows are an operand as they lie. PV:
// weights are transposed, and keys interleaved in pairs, to become left and right operands.
#include "kernels/cpu/attention/latent_scores.inl"
#include "kernels/cpu/attention/row_product_amx.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

/// scores [keys][16] of a chunk: scale Q K^T. Which keys are left to the vectors depends on the
/// query's own position alone.
void multiply_qk(const LatentAttentionArgs& a, const uint16_t* rows, int64_t keys,
                 const uint16_t* queries, float* scores) {
  const int64_t width = a.rank + a.rope;
  const int64_t whole = width % 32 == 0 ? keys / kTileRows * kTileRows : 0;
  if (whole > 0) {
    const TileRegisters registers;
    multiply_rows<1>({rows, width, whole, width, queries, 0, scores, 0});
    for (int64_t i = 0; i < whole * kLatentHeads; i += kLatentHeads) {
      (Vec::load(scores + i) * Vec::set1(a.scale)).store(scores + i);
    }
  }
  score_keys(a, rows, whole, keys, queries, scores);
}

constexpr int64_t kStepKeys = 32;  // of one tile product
constexpr int64_t kMaxSteps = kLatentChunkKeys / kStepKeys;

/// transposed [steps][16 heads][32 keys] from pairs of keys [keys / 2][16 heads][2]; zeros behind
/// the last.
inline void transpose_weights(const uint16_t* weights, int64_t keys, uint16_t* transposed) {
  const int64_t pairs = (keys + 1) / 2;
  for (int64_t first = 0; first < pairs; first += kLatentLanes) {
    Vec block[kLatentLanes];
    for (int64_t i = 0; i < kLatentLanes; ++i) {
      block[i] = Vec::zero();
      if (first + i < pairs) {
        __builtin_memcpy(&block[i], weights + (first + i) * 2 * kLatentHeads, sizeof(Vec));
      }
    }
    transpose(block);
    for (int64_t i = 0; i < kLatentLanes; ++i) {
      __builtin_memcpy(transposed + (first + i) * 2 * kLatentHeads, &block[i], sizeof(Vec));
    }
  }
}

/// Pairs of up to 32 keys' 32 columns as two operands [16 pairs][16 columns][2].
inline void interleave_keys(const uint16_t* rows, int64_t width, int64_t keys, uint8_t* lower,
                            uint8_t* upper) {
  for (int64_t k = 0; k < kStepKeys; k += 2, lower += 64, upper += 64) {
    KeyPairs pairs = {_mm512_setzero_si512(), _mm512_setzero_si512()};
    const uint16_t* row = rows + k * width;
    if (k < keys) pairs = interleave(row, k + 1 < keys ? row + width : nullptr);
    _mm512_store_si512(lower, pairs.lower);
    _mm512_store_si512(upper, pairs.upper);
  }
}

/// out [16][rank] = P V: sums over the chunk's keys of weight * latent.
void multiply_pv(const LatentAttentionArgs& a, const uint16_t* rows, int64_t keys,
                 const uint16_t* weights, float* out) {
  using Block = TileBlock<1, 2>;
  const TileRegisters registers;
  const int64_t width = a.rank + a.rope;
  alignas(64) uint16_t transposed[kMaxSteps * kLatentHeads * kStepKeys];
  alignas(64) uint8_t pairs[2048];
  alignas(64) float sums[2 * kTileNumbers];
  transpose_weights(weights, keys, transposed);
  for (int64_t col = 0; col < a.rank; col += 32) {
    Block::zero();
    for (int64_t k = 0; k < keys; k += kStepKeys) {
      interleave_keys(rows + k * width + col, width, keys - k, pairs, pairs + 1024);
      order_memory();
      Block::load(reinterpret_cast<const uint8_t*>(transposed + k * kLatentHeads), 64, 0, pairs,
                  1024);
      Block::add_bf16();
    }
    Block::store(sums);
    for (int64_t h = 0; h < kLatentHeads; ++h) {
      store_columns(Vec::load(sums + 16 * h), Vec::load(sums + kTileNumbers + 16 * h),
                    out + h * a.rank + col);
    }
  }
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
