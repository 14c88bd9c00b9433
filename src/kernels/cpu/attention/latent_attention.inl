#pragma once
// Absorbed MLA straight from a BF16 cache. Heads are the lanes of the scores, so the cache is
// neither converted nor transposed. What multiplies a chunk is latent_products_dot.inl or latent_products_amx.inl.
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

/// 16 heads x 16 numbers from column `col`, turned: rows[i] holds number col + i of every head;
/// heads and numbers that are not there are 0.
inline void load_turned(const float* q, int64_t head_stride, int64_t heads, int64_t cols,
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
    const int64_t heads = smaller(kLatentHeads, a.heads - head);
    uint16_t* panel = a.panels + unit * width * kLatentHeads;
    const auto pack = [&](const float* q, int64_t head_stride, int64_t cols, uint16_t* out) {
      for (int64_t col = 0; col < cols; col += 16) {
        Vec rows[16];
        load_turned(q, head_stride, heads, cols, col, rows);
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

/// weights = exp(score - max) rounded to BF16, in pairs of keys; an odd last key gets a partner of
/// weight 0. Returns max and the sum of the rounded weights.
inline void soften_chunk(const float* scores, int64_t keys, uint16_t* weights, Vec* max_out,
                         Vec* sum_out) {
  Vec most = Vec::load(scores);
  for (int64_t k = 1; k < keys; ++k) most = max(Vec::load(scores + k * kLatentHeads), most);
  Vec sum = Vec::zero();
  for (int64_t k = 0; k < keys; k += 2) {
    Vec pair[2];
    for (int i = 0; i < 2; ++i) {
      if (k + i >= keys) {
        pair[i] = Vec::zero();
        continue;
      }
      uint16_t rounded[kLatentLanes];
      exp(Vec::load(scores + (k + i) * kLatentHeads) - most).store_bf16(rounded);
      pair[i] = Vec::load_bf16(rounded);
      sum = sum + pair[i];
    }
    PanelBf16::store_step(pair[0], pair[1], weights + k * kLatentHeads);
  }
  *max_out = most;
  *sum_out = sum;
}

/// One chunk of keys for one block of heads.
void latent_chunk(const LatentAttentionArgs& a, const uint16_t* rows, int64_t keys,
                  const uint16_t* panel, float* partial, void* scratch) {
  float* scores = static_cast<float*>(scratch);
  uint16_t* weights = reinterpret_cast<uint16_t*>(scores + kLatentChunkKeys * kLatentHeads);
  score_chunk(a, rows, keys, panel, scores);
  Vec most, sum;
  soften_chunk(scores, keys, weights, &most, &sum);
  most.store(partial);
  sum.store(partial + kLatentHeads);
  weigh_chunk(a, rows, keys, weights, partial + 2 * kLatentHeads);
}

/// Chunks [begin, end) of those at hand, each for every block that sees any of its keys.
void latent_attention_chunks(const LatentAttentionArgs& a, int64_t begin, int64_t end,
                             void* scratch) {
  const int64_t width = a.rank + a.rope;
  for (int64_t chunk = begin; chunk < end; ++chunk) {
    const int64_t first = (a.first_chunk + chunk) * kLatentChunkKeys;
    for (int64_t unit = 0; unit < a.tokens * a.blocks; ++unit) {
      const int64_t visible = a.positions[unit / a.blocks] + 1 - first;
      const int64_t keys = smaller(smaller(kLatentChunkKeys, a.keys - first), visible);
      if (keys <= 0) continue;
      float* partial =
          a.partials + (chunk * a.tokens * a.blocks + unit) * latent_partial_floats(a.rank);
      latent_chunk(a, a.cache + first * width, keys, a.panels + unit * width * kLatentHeads,
                   partial, scratch);
    }
  }
}

/// Folds one chunk's part of a head into the running softmax (Milakov & Gimelshein 2018).
inline void fold_chunk(const float* partial, int64_t lane, int64_t rank, bool is_first,
                       float* state, float* out) {
  const float chunk_max = partial[lane], chunk_sum = partial[kLatentHeads + lane];
  const float before = is_first ? chunk_max : state[0];
  const float most = chunk_max > before ? chunk_max : before;
  const float keep = exp1(before - most), add = exp1(chunk_max - most);
  state[0] = most;
  state[1] = (is_first ? 0.0f : state[1] * keep) + chunk_sum * add;
  const float* latent = partial + 2 * kLatentHeads + lane * rank;
  const Vec keep_all = Vec::set1(keep), add_all = Vec::set1(add);
  for (int64_t i = 0; i < rank; i += Vec::kLanes) {
    const Vec old = is_first ? Vec::zero() : Vec::load(out + i) * keep_all;
    fma(Vec::load(latent + i), add_all, old).store(out + i);
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
      fold_chunk(a.partials + c * step + unit * floats, lane, a.rank, a.first_chunk + c == 0, state,
                 out);
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
