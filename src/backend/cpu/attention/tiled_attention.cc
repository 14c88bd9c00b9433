#include <algorithm>
#include <limits>

#include "backend/cpu/attention/head_rows.h"
#include "backend/cpu/table.h"
#include "backend/cpu/threads.h"
#include "base/checked_math.h"
#include "kernels/cpu/attention/attention_table.h"
#include "kernels/cpu/isa/isa_table.h"

namespace fathom::backend::cpu {
namespace {

kernels::AttentionTileArgs tile_args(const device::AttentionTile& tile,
                                     const device::AttentionState& state) {
  const i64 tokens = state.acc.dim(0), heads = state.acc.dim(1), kv_heads = tile.k.dim(1);
  const bool rope = !tile.q_rope.empty();
  const i64 rope_heads = rope ? tile.k_rope.dim(1) : 1;
  const i64 groups = std::max(kv_heads, rope_heads);
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

/// Row of one token's head.
float* head_row(const View<float, 3>& x, i64 t, i64 h) {
  return x.data() + t * x.stride(0) + h * x.stride(1);
}

void attention_begin(Ctx&, const device::AttentionBegin& op) {
  const device::AttentionState& state = op.state;
  const i64 heads = state.acc.dim(1), dim = state.acc.dim(2);
  for_rows(state.acc.dim(0), heads * dim, [&](i64 begin, i64 end) {
    for (i64 t = begin; t < end; ++t) {
      for (i64 h = 0; h < heads; ++h) {
        state.max(t, h) = -std::numeric_limits<float>::infinity();
        state.sum(t, h) = 0.0f;
        std::fill_n(head_row(state.acc, t, h), dim, 0.0f);
      }
    }
  });
}

/// One slice of scratch a part; which part a unit falls into changes no result.
void attention_tile_forward(Ctx& ctx, const device::AttentionTileForward& op) {
  const kernels::AttentionTileArgs args = tile_args(op.tile, op.state);
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

void attention_end(Ctx&, const device::AttentionEnd& op) {
  const i64 heads = op.out.dim(1), dim = op.out.dim(2);
  for_rows(op.out.dim(0), heads * dim, [&](i64 begin, i64 end) {
    for (i64 t = begin; t < end; ++t) {
      for (i64 h = 0; h < heads; ++h) {
        const float* acc = head_row(op.state.acc, t, h);
        float* row = head_row(op.out, t, h);
        const float inverse = 1.0f / op.state.sum(t, h);
        for (i64 i = 0; i < dim; ++i) row[i] = acc[i] * inverse;
      }
    }
  });
}

}  // namespace

void set_tiled_attention(device::OpTable& table) {
  table.set(attention_begin);
  table.set(attention_tile_forward);
  table.set(attention_end);
}

}  // namespace fathom::backend::cpu
