#include "ops/attention.h"

#include <algorithm>
#include <limits>

#include "base/checked_math.h"
#include "kernels/cpu/attention/attention_table.h"
#include "kernels/cpu/isa/isa_table.h"
#include "ops/checks.h"
#include "ops/head_rows.h"

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
}

kernels::AttentionTileArgs tile_args(const AttentionTile& tile, const AttentionState& state) {
  const i64 tokens = state.acc.dim(0), heads = state.acc.dim(1), kv_heads = tile.k.dim(1);
  const bool rope = !tile.q_rope.empty();
  const i64 rope_heads = rope ? tile.k_rope.dim(1) : 1;
  const i64 groups = std::max(kv_heads, rope_heads);
  FATHOM_CHECK(groups % kv_heads == 0 && groups % rope_heads == 0, "k ", tile.k, " vs k_rope ",
               tile.k_rope, ": one count of key heads must divide the other");
  return {.q = head_rows(tile.q),
          .k = head_rows(tile.k),
          .q_rope = head_rows(tile.q_rope),
          .k_rope = head_rows(tile.k_rope),
          .v = head_rows(tile.v),
          .positions = tile.positions.data(),
          .key_begin = tile.key_begin,
          .scale = tile.scale,
          .max = state.max.data(),
          .sum = state.sum.data(),
          .acc = state.acc.data(),
          .max_stride = state.max.stride(0),
          .sum_stride = state.sum.stride(0),
          .acc_row_stride = state.acc.stride(0),
          .acc_head_stride = state.acc.stride(1),
          .tokens = tokens,
          .keys = tile.v.dim(0),
          .groups = groups,
          .heads_per_group = heads / groups,
          .groups_per_kv_head = groups / kv_heads,
          .groups_per_rope_head = groups / rope_heads,
          .dim = tile.q.dim(2),
          .rope_dim = rope ? tile.q_rope.dim(2) : 0,
          .v_dim = tile.v.dim(2),
          .units_per_group = ceil_div(tokens * (heads / groups), kernels::kAttentionQueries)};
}

}  // namespace

void attention_begin(Ctx& ctx, const AttentionState& state) {
  require_cpu(ctx, "attention_begin");
  check_state(state);
  ctx.for_rows(state.acc.dim(0), state.acc.dim(1) * state.acc.dim(2), [&](i64 begin, i64 end) {
    for (i64 t = begin; t < end; ++t) {
      for (i64 h = 0; h < state.acc.dim(1); ++h) {
        state.max(t, h) = -std::numeric_limits<float>::infinity();
        state.sum(t, h) = 0.0f;
        float* acc = state.acc.data() + t * state.acc.stride(0) + h * state.acc.stride(1);
        std::fill_n(acc, state.acc.dim(2), 0.0f);
      }
    }
  });
}

void attention_tile_forward(Ctx& ctx, const AttentionTile& tile, const AttentionState& state) {
  require_cpu(ctx, "attention_tile_forward");
  check_tile(tile, state);
  const kernels::AttentionTileArgs args = tile_args(tile, state);
  if (args.tokens == 0 || args.keys == 0) return;

  // One slice of scratch a part; which part a unit falls into changes no result.
  const i64 units = args.groups * args.units_per_group;
  const i64 unit_products =
      kernels::kAttentionQueries * args.keys * (args.dim + args.rope_dim + args.v_dim);
  const i64 parts =
      std::clamp<i64>(units * unit_products >> 16, 1, std::min<i64>(units, num_threads()));
  const i64 row_floats = round_up(args.keys, kernels::kAttentionKeyPad);
  Workspace::Scope scope(ctx.workspace());
  const auto scratch = scope.alloc<float>(parts, kernels::kAttentionQueries * row_floats);
  parallel_for(parts, 1, [&](i64 begin, i64 end) {
    for (i64 part = begin; part < end; ++part) {
      ctx.isa().attention->attention_tile_units(args, units * part / parts,
                                                units * (part + 1) / parts, scratch.row(part));
    }
  });
}

void attention_end(Ctx& ctx, const AttentionState& state, View<float, 3> out) {
  require_cpu(ctx, "attention_end");
  check_state(state);
  FATHOM_CHECK(out.dims() == state.acc.dims() && last_axis_contiguous(out), "out ", out, " vs acc ",
               state.acc);
  ctx.for_rows(out.dim(0), out.dim(1) * out.dim(2), [&](i64 begin, i64 end) {
    for (i64 t = begin; t < end; ++t) {
      for (i64 h = 0; h < out.dim(1); ++h) {
        const float* acc = state.acc.data() + t * state.acc.stride(0) + h * state.acc.stride(1);
        float* row = out.data() + t * out.stride(0) + h * out.stride(1);
        const float inverse = 1.0f / state.sum(t, h);
        for (i64 i = 0; i < out.dim(2); ++i) row[i] = acc[i] * inverse;
      }
    }
  });
}

}  // namespace fathom::ops
