#pragma once
// Absorbed MLA straight from a BF16 cache. Heads are the lanes of the scores, so the cache is
// neither converted nor transposed. What multiplies a chunk is latent_products_dot.inl or
// latent_products_amx.inl.
//
// Invariant: a query's result is a sum over its own chunks and keys in rising order; no other query
// and no thread changes it.
#include "kernels/api/latent_attention.h"
#include "kernels/cpu/attention/latent_scores.inl"
#include "kernels/cpu/isa/vec_functions.inl"
#if FATHOM_HAS_TILES
#include "kernels/cpu/attention/latent_products_amx.inl"
#else
#include "kernels/cpu/attention/latent_products_dot.inl"
#endif

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

/// 16 heads x 16 columns of q from column `col` on, transposed: rows[i] holds column col + i of
/// every head. Heads and columns that are not there are 0.
inline void load_transposed(const float* q, int64_t head_stride, int64_t heads, int64_t cols,
                            int64_t col, Vec (&rows)[16]) {
  for (int h = 0; h < kLatentLanes; ++h) {
    rows[h] = h < heads ? load_n(q + h * head_stride + col, cols - col) : Vec::zero();
  }
  transpose(rows);
}

/// The queries of blocks [begin, end) as panels [(rank + rope) / 2][16][2] in BF16.
void pack_latent_queries(const LatentAttentionArgs& a, int64_t begin, int64_t end) {
  const int64_t width = a.rank + a.rope;
  for (int64_t unit = begin; unit < end; ++unit) {
    const int64_t token = unit / a.blocks, head = unit % a.blocks * kLatentHeads;
    const int64_t heads = min(kLatentHeads, a.heads - head);
    uint16_t* panel = a.panels + unit * width * kLatentHeads;
    const auto pack = [&](const float* q, int64_t head_stride, int64_t cols, uint16_t* out) {
      for (int64_t col = 0; col < cols; col += 16) {
        Vec rows[16];
        load_transposed(q, head_stride, heads, cols, col, rows);
        for (int i = 0; i < 16 && col + i < cols; i += 2) {
          PanelBf16::store_step(rows[i], rows[i + 1], out + (col + i) * kLatentHeads);
        }
      }
    };
    pack(a.q_latent + token * a.q_latent_row + head * a.q_latent_head, a.q_latent_head, a.rank,
         panel);
    pack(a.q_rope + token * a.q_rope_row + head * a.q_rope_head, a.q_rope_head, a.rope,
         panel + a.rank * kLatentHeads);
  }
}

/// exp(score - max) of one key and all heads, rounded to BF16.
inline Vec rounded_weight(const float* scores, Vec max) {
  uint16_t bf16[kLatentLanes];
  exp(Vec::load(scores) - max).store_bf16(bf16);
  return Vec::load_bf16(bf16);
}

/// P = exp(S - max of the chunk) in BF16, in pairs of keys; an odd last key is paired with weight
/// 0. The sum is that of the rounded weights, for those are what multiplies the values.
inline void softmax_chunk(const float* scores, int64_t keys, uint16_t* weights, float* max_out,
                          float* sum_out) {
  Vec max_score = Vec::load(scores);
  for (int64_t k = 1; k < keys; ++k) {
    max_score = max(Vec::load(scores + k * kLatentHeads), max_score);
  }
  Vec sum = Vec::zero();
  for (int64_t k = 0; k < keys; k += 2) {
    const float* pair = scores + k * kLatentHeads;
    const Vec even = rounded_weight(pair, max_score);
    const Vec odd = k + 1 < keys ? rounded_weight(pair + kLatentHeads, max_score) : Vec::zero();
    sum = sum + even + odd;
    PanelBf16::store_step(even, odd, weights + k * kLatentHeads);
  }
  max_score.store(max_out);
  sum.store(sum_out);
}

/// Scratch of a thread: S and P of one chunk for one block of heads.
struct ChunkScratch {
  float* scores;      // [keys][16]
  uint16_t* weights;  // [keys / 2][16][2] BF16

  explicit ChunkScratch(void* at)
      : scores(static_cast<float*>(at)),
        weights(reinterpret_cast<uint16_t*>(scores + kLatentChunkKeys * kLatentHeads)) {}
};

/// What a chunk leaves for a block of heads: softmax-weighted latents, not yet divided by the sum.
template <typename Float>
struct ChunkPartial {
  Float *max, *sum;  // [16]
  Float* latents;    // [16][rank]

  explicit ChunkPartial(Float* at)
      : max(at), sum(at + kLatentHeads), latents(at + 2 * kLatentHeads) {}
};

/// Attention of one block of heads over one chunk of keys: S = scale Q K^T, P = exp(S - max), P V.
/// K are the cached rows [latent | rotated key], V their latents.
void attend_chunk(const LatentAttentionArgs& a, const uint16_t* rows, int64_t keys,
                  const uint16_t* queries, const ChunkScratch& s, ChunkPartial<float> partial) {
  multiply_qk(a, rows, keys, queries, s.scores);
  softmax_chunk(s.scores, keys, s.weights, partial.max, partial.sum);
  multiply_pv(a, rows, keys, s.weights, partial.latents);
}

/// Items [begin, end): a query with all its blocks, and the keys that it sees of one chunk.
void latent_attention_items(const LatentAttentionArgs& a, int64_t begin, int64_t end,
                            void* scratch) {
  const int64_t width = a.rank + a.rope;
  for (int64_t item = begin; item < end; ++item) {
    const int64_t chunk = a.items[item] / a.tokens, token = a.items[item] % a.tokens;
    const int64_t page = a.first_chunk + chunk;
    const int64_t keys = min(kLatentChunkKeys, a.positions[token] + 1 - page * kLatentChunkKeys);
    const auto* rows = reinterpret_cast<const uint16_t*>(a.pages[token][page] + a.page_offset);
    for (int64_t block = 0; block < a.blocks; ++block) {
      const int64_t unit = token * a.blocks + block;
      const uint16_t* queries = a.panels + unit * width * kLatentHeads;
      float* partial =
          a.partials + (chunk * a.tokens * a.blocks + unit) * latent_partial_floats(a.rank);
      attend_chunk(a, rows, keys, queries, ChunkScratch(scratch), ChunkPartial<float>(partial));
    }
  }
}

/// Folds one chunk's partial of a head into the running softmax (Milakov & Gimelshein 2018).
/// `state` holds its max and sum, `out` its latents; both are garbage before the first chunk.
inline void fold_chunk(ChunkPartial<const float> partial, int64_t lane, int64_t rank, bool is_first,
                       float* state, float* out) {
  const float chunk_max = partial.max[lane], old_max = is_first ? chunk_max : state[0];
  const float new_max = chunk_max > old_max ? chunk_max : old_max;
  const float old_factor = exp1(old_max - new_max), chunk_factor = exp1(chunk_max - new_max);
  state[0] = new_max;
  state[1] = (is_first ? 0.0f : state[1] * old_factor) + partial.sum[lane] * chunk_factor;
  const float* latents = partial.latents + lane * rank;
  for (int64_t i = 0; i < rank; i += Vec::kLanes) {
    const Vec old = is_first ? Vec::zero() : Vec::load(out + i) * Vec::set1(old_factor);
    fma(Vec::load(latents + i), Vec::set1(chunk_factor), old).store(out + i);
  }
}

/// The chunks at hand into rows [begin, end) of [tokens * heads]; divides by the sum after a row's
/// last.
void latent_attention_fold(const LatentAttentionArgs& a, int64_t begin, int64_t end) {
  const int64_t floats = latent_partial_floats(a.rank), step = a.tokens * a.blocks * floats;
  for (int64_t row = begin; row < end; ++row) {
    const int64_t token = row / a.heads, head = row % a.heads;
    const int64_t unit = token * a.blocks + head / kLatentHeads, lane = head % kLatentHeads;
    const int64_t last = a.positions[token] / kLatentChunkKeys;  // chunk of the query itself
    float* out = a.out + token * a.out_row + head * a.out_head;
    float* state = a.state + 2 * row;
    for (int64_t c = 0; c < a.chunks && a.first_chunk + c <= last; ++c) {
      fold_chunk(ChunkPartial<const float>(a.partials + c * step + unit * floats), lane, a.rank,
                 a.first_chunk + c == 0, state, out);
      if (a.first_chunk + c < last) continue;
      const Vec inverse = Vec::set1(1.0f / state[1]);
      for (int64_t i = 0; i < a.rank; i += Vec::kLanes) {
        (Vec::load(out + i) * inverse).store(out + i);
      }
    }
  }
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
