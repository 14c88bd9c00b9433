#pragma once
#include <cstdint>

namespace fathom::kernels {

inline constexpr int64_t kLatentHeads = 16;  // heads of one block: the lanes of a register

inline constexpr int64_t kLatentChunkKeys = 128;

/// Absorbed MLA over BF16 rows of a cache: scores and sums as BF16 dot products in f32.
///
/// A block is kLatentHeads heads of one query. Keys are cut into chunks of kLatentChunkKeys, a page
/// of the cache each; a query and one of its chunks are an item of work, which leaves max, sum and
/// weighted latents of the query's blocks. They are folded into the running softmax chunk after
/// chunk. Queries may belong to different sequences.
struct LatentAttentionArgs {
  /// [tokens] the pages of each query's sequence; at `page_offset` bytes a page holds the chunk's
  /// rows [kLatentChunkKeys, rank + rope] BF16
  const uint8_t* const* const* pages;
  int64_t page_offset;
  int64_t rank;                         // a multiple of 32
  int64_t rope;                         // even
  const float* q_latent;                // [tokens, heads, rank]
  int64_t q_latent_row, q_latent_head;  // strides
  const float* q_rope;                  // [tokens, heads, rope]
  int64_t q_rope_row, q_rope_head;
  const int64_t* positions;       // [tokens]: query t sees keys 0 .. positions[t]
  int64_t tokens, heads, blocks;  // blocks of one token
  float scale;
  int64_t first_chunk;   // of those at hand
  int64_t chunks;        // at hand
  const int32_t* items;  // [] chunk * tokens + token, of those at hand that the query sees
  uint16_t* panels;      // [tokens * blocks, (rank + rope) / 2, 16, 2]  scratch
  float* partials;       // [chunks, tokens * blocks, latent_partial_floats()]  scratch
  float* state;          // [tokens * heads, 2] max and sum of the chunks before
  float* out;            // [tokens, heads, rank]  the chunks before; then these too
  int64_t out_row, out_head;
};

/// max[16], sum[16], then the weighted latents [16, rank].
constexpr int64_t latent_partial_floats(int64_t rank) { return kLatentHeads * (rank + 2); }
/// Scratch of one unit: scores [keys, 16] f32 and their weights [keys / 2, 16, 2] BF16.
inline constexpr int64_t kLatentScratchBytes = kLatentChunkKeys * kLatentHeads * (4 + 2);

}  // namespace fathom::kernels
