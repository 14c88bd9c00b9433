#pragma once
// Causal attention over one tile of keys at a time, with a running softmax. MLA expanded, MLA
// absorbed (kv_heads = 1, keys and values are the latent) and MHA/GQA are the same op on other
// views.
#include "ops/ctx.h"
#include "tensor/view.h"

namespace fathom::ops {

/// One tile. Query head h reads key head h * kv_heads / heads; the rope part has its own count.
struct AttentionTile {
  View<const float, 3> q;        // [tokens, heads, dim]
  View<const float, 3> k;        // [keys, kv_heads, dim]
  View<const float, 3> q_rope;   // [tokens, heads, rope]          empty: no second part
  View<const float, 3> k_rope;   // [keys, kv_heads_rope, rope]    empty: no second part
  View<const float, 3> v;        // [keys, kv_heads, v]
  View<const i64, 1> positions;  // [tokens] absolute position of each query
  i64 key_begin = 0;             // absolute position of key 0; keys above a query's are masked
  float scale = 1.0f;            // multiplies the logits
};

/// The running softmax of Milakov & Gimelshein 2018 (flash attention's recurrence).
struct AttentionState {
  View<float, 2> max;  // [tokens, heads]     largest logit so far; -inf at the start
  View<float, 2> sum;  // [tokens, heads]     sum of exp(logit - max)
  View<float, 3> acc;  // [tokens, heads, v]  sum of exp(logit - max) * value
};

/// max = -inf, sum = 0, acc = 0.
void attention_begin(Ctx& ctx, const AttentionState& state);

/// s = scale * (q . k + q_rope . k_rope), masked to key position <= query position;
/// folds the tile into the state. All f32. The result for a query depends on the tile boundaries,
/// never on the other queries or on the thread count. A query that sees no key of the tile keeps
/// its state bit for bit; a NaN reaches only the queries that see its key. Throws InternalError on
/// a shape mismatch. CPU.
void attention_tile_forward(Ctx& ctx, const AttentionTile& tile, const AttentionState& state);
/// Against ref::attention_forward<double>, relative to the largest |out|, for scores up to about
/// 30: the error of a score (eps * |score| after a sum of up to 576 products) is the relative error
/// of its exponential.
inline constexpr double kAttentionRelTol = 1e-5;

/// out = acc / sum; NaN for a query that saw no key. out [tokens, heads, v] f32 overwritten; may
/// alias state.acc.
void attention_end(Ctx& ctx, const AttentionState& state, View<float, 3> out);

}  // namespace fathom::ops
