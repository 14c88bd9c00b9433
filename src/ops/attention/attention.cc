#include "ops/attention/attention.h"

#include "device/run.h"
#include "ops/checks.h"

namespace fathom::ops {
namespace {

void check_state(const AttentionState& s) {
  FATHOM_CHECK(
      s.max.dims() == s.sum.dims() && s.acc.dim(0) == s.max.dim(0) && s.acc.dim(1) == s.max.dim(1),
      "max ", s.max, ", sum ", s.sum, " and acc ", s.acc, " of one attention state");
  FATHOM_CHECK(
      last_axis_contiguous(s.max) && last_axis_contiguous(s.sum) && last_axis_contiguous(s.acc),
      "the last axis of the state, acc ", s.acc, ", must be contiguous");
}

/// The shapes of one part of the score, q . k.
void check_part(const char* part, const View<const float, 3>& q, const View<const float, 3>& k,
                i64 tokens, i64 heads, i64 keys) {
  FATHOM_CHECK(q.dim(0) == tokens && q.dim(1) == heads, part, ": q ", q, " vs ", tokens,
               " tokens and ", heads, " heads");
  FATHOM_CHECK(k.dim(0) == keys && k.dim(2) == q.dim(2), part, ": k ", k, " vs q ", q, " and ",
               keys, " keys");
  FATHOM_CHECK(k.dim(1) > 0 && heads % k.dim(1) == 0, part, ": ", heads, " heads share ", k.dim(1),
               " key heads");
  FATHOM_CHECK(last_axis_contiguous(q) && last_axis_contiguous(k), part, ": the last axis of q ", q,
               " and k ", k, " must be contiguous");
}

void check_tile(const AttentionTile& tile, const AttentionState& state) {
  check_state(state);
  const i64 tokens = state.acc.dim(0), heads = state.acc.dim(1), keys = tile.v.dim(0);
  check_part("content", tile.q, tile.k, tokens, heads, keys);
  FATHOM_CHECK(tile.q_rope.empty() == tile.k_rope.empty(), "q_rope ", tile.q_rope, " vs k_rope ",
               tile.k_rope);
  if (!tile.q_rope.empty()) check_part("rope", tile.q_rope, tile.k_rope, tokens, heads, keys);
  FATHOM_CHECK(tile.v.dim(1) == tile.k.dim(1) && tile.v.dim(2) == state.acc.dim(2), "v ", tile.v,
               " vs k ", tile.k, " and acc ", state.acc);
  FATHOM_CHECK(tile.positions.dim(0) == tokens && last_axis_contiguous(tile.positions) &&
                   last_axis_contiguous(tile.v),
               "positions ", tile.positions, " vs ", tokens, " tokens; rows of v ", tile.v,
               " must be contiguous");
  const i64 kv_heads = tile.k.dim(1), rope_heads = tile.q_rope.empty() ? 1 : tile.k_rope.dim(1);
  FATHOM_CHECK(kv_heads % rope_heads == 0 || rope_heads % kv_heads == 0, "k ", tile.k,
               " vs k_rope ", tile.k_rope, ": one count of key heads must divide the other");
}

}  // namespace

void attention_begin(Ctx& ctx, const AttentionState& state) {
  check_state(state);
  run(ctx, device::AttentionBegin{.state = state});
}

void attention_tile_forward(Ctx& ctx, const AttentionTile& tile, const AttentionState& state) {
  check_tile(tile, state);
  if (tile.q.dim(0) == 0 || tile.v.dim(0) == 0) return;
  run(ctx, device::AttentionTileForward{.tile = tile, .state = state});
}

void attention_end(Ctx& ctx, const AttentionState& state, View<float, 3> out) {
  check_state(state);
  FATHOM_CHECK(out.dims() == state.acc.dims() && last_axis_contiguous(out), "out ", out, " vs acc ",
               state.acc);
  run(ctx, device::AttentionEnd{.state = state, .out = out});
}

}  // namespace fathom::ops
