#pragma once
// Attention of many queries of one sequence over tiles of keys, in BF16 dot products: 16 queries
// are the lanes, so a key is broadcast, the softmax needs no sum over lanes, and its weights leave
// the registers in the form that the next product reads.
#include <cstdint>

#include "kernels/api/attention.h"

namespace fathom::kernels {

inline constexpr int64_t kPrefillLanes = 16;  // queries of a block

/// Query t stands at position first_position + t and sees keys at or before it. The head dimension
/// of queries and keys is [dim | rope_dim], both even, padded with zeros to qk_padded.
struct PrefillAttentionArgs {
  HeadRows q, q_rope;     // [tokens, heads, *]
  HeadRows k, k_rope, v;  // [keys, kv heads | rope heads, *]; q_rope and k_rope may be missing
  int64_t dim, rope_dim, v_dim;
  int64_t qk_padded;  // a multiple of 32
  int64_t v_padded;   // a multiple of 16
  int64_t heads, heads_per_kv_head, heads_per_rope_head;
  int64_t tokens, blocks;  // blocks: ceil(tokens / 16)
  int64_t first_position;
  int64_t key_begin, keys;
  int64_t key_padded;  // of the largest tile, a multiple of 32
  int64_t parts;       // of the blocks of a head; a unit of work is one part of one head
  float scale;
  uint16_t* panels;  // [heads, blocks, qk_padded / 2, 16, 2] BF16
  float* max;        // [heads, blocks, 16]
  float* sum;        // [heads, blocks, 16]
  float* acc;        // [heads, blocks, v_padded, 16]
  float* out;        // [tokens, heads, v_dim]
  int64_t out_row, out_head;
};

/// Elements from a packed row of keys, or of values transposed, to the next: a line more than
/// needed, because rows a power of two apart would share a few sets of the cache.
constexpr int64_t prefill_row_stride(int64_t columns) { return columns + 32; }
/// Panels of queries that are multiplied with a tile of keys at once.
inline constexpr int64_t kPrefillPanels = 2;
/// Scratch of one unit: keys, values transposed, scores, weights, sums.
constexpr int64_t prefill_scratch_bytes(int64_t keys, int64_t qk, int64_t v) {
  return 2 * keys * prefill_row_stride(qk) + 2 * v * prefill_row_stride(keys) +
         kPrefillPanels * kPrefillLanes * (4 * keys + 2 * keys + 4 * v);
}

}  // namespace fathom::kernels
