#pragma once
// Causal attention over one tile of keys at a time, with a running softmax. MLA expanded, MLA
// absorbed (kv_heads = 1, keys and values are the latent) and MHA/GQA are the same op on other
// views.
#include "device/attention.h"
#include "device/ctx.h"
#include "tensor/view.h"

namespace fathom::ops {

using device::AttentionState;
using device::AttentionTile;

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
