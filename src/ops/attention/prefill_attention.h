#pragma once
// Attention of many new tokens of one sequence: BF16 dot products over tiles of keys.
#include "device/ctx.h"
#include "device/prefill_attention.h"
#include "tensor/view.h"

namespace fathom::ops {

/// The queries of one sequence, packed, and their running softmax. Its memory belongs to the scope
/// that prefill_attention_begin was given.
using device::PrefillAttention;

// P is rounded to BF16 before it is summed and multiplied with V; sums are f32. A query's result
// depends on its own numbers and on where tiles begin, on no other query and no thread count: but a
// value that is not finite reaches all queries of the same tile of keys. Throws InternalError on a
// shape mismatch. CPU.

/// Can prefill attention run here? It needs BF16 dot products and even head dimensions.
bool has_prefill_attention(const Ctx& ctx, i64 dim, i64 rope_dim);

/// Packs queries: token t stands at position first_position + t. Tiles have at most `max_keys`
/// keys.
///   q       [tokens, heads, dim] f32, rounded to BF16
///   q_rope  [tokens, heads, rope_dim], or empty
PrefillAttention prefill_attention_begin(Ctx& ctx, Workspace::Scope& scope, View<const float, 3> q,
                                         View<const float, 3> q_rope, i64 first_position,
                                         float scale, i64 v_dim, i64 max_keys);
/// Folds keys at positions [key_begin, key_begin + keys) into the softmax; each query sees those at
/// or before its own. Tiles must come in rising order. As in AttentionTile, heads share key heads.
///   k       [keys, kv heads, dim] f32, rounded to BF16
///   k_rope  [keys, rope heads, rope_dim], or empty
///   v       [keys, kv heads, v_dim], rounded to BF16
void prefill_attention_tile(Ctx& ctx, const PrefillAttention& attention, View<const float, 3> k,
                            View<const float, 3> k_rope, View<const float, 3> v, i64 key_begin);
/// out [tokens, heads, v_dim] f32 overwritten = sum_s p_s v_s, p = softmax of scale * (q . k_s +
/// q_rope . k_rope_s).
void prefill_attention_end(Ctx& ctx, const PrefillAttention& attention, View<float, 3> out);

/// Against the exact attention of the rounded operands, relative to the largest |out|.
inline constexpr double kPrefillAttentionRelTol = 4e-3;

}  // namespace fathom::ops
