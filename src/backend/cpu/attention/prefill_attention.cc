#include <algorithm>

#include "backend/cpu/attention/head_rows.h"
#include "backend/cpu/table.h"
#include "backend/cpu/threads.h"
#include "base/checked_math.h"
#include "kernels/cpu/attention/prefill_attention_table.h"
#include "kernels/cpu/isa/isa_table.h"

namespace fathom::backend::cpu {
namespace {

using device::PrefillAttention;
using kernels::kPrefillLanes;
using kernels::PrefillAttentionArgs;

bool takes_prefill_heads(const Ctx& ctx, const device::TakesPrefillHeads& op) {
  return ctx.isa().prefill_attention != nullptr && op.dim % 2 == 0 && op.rope_dim % 2 == 0;
}

/// What is the same for all tiles.
PrefillAttentionArgs args_of(const PrefillAttention& attention) {
  PrefillAttentionArgs a = {};
  a.q = head_rows(attention.q);
  a.dim = attention.dim();
  a.rope_dim = attention.rope_dim();
  if (a.rope_dim > 0) a.q_rope = head_rows(attention.q_rope);
  a.v_dim = attention.v_dim;
  a.qk_padded = round_up(a.dim + a.rope_dim, 32);
  a.v_padded = round_up(a.v_dim, 16);
  a.heads = attention.heads();
  a.tokens = attention.tokens();
  a.blocks = ceil_div(a.tokens, kPrefillLanes);
  a.first_position = attention.first_position;
  a.key_padded = round_up(attention.max_keys, 32);
  a.scale = attention.scale;
  a.panels = attention.panels.data();
  a.max = attention.max.data();
  a.sum = attention.sum.data();
  a.acc = attention.acc.data();
  return a;
}

void prefill_attention_begin(Ctx& ctx, const device::PrefillAttentionBegin& op) {
  PrefillAttentionArgs a = args_of(op.attention);
  const i64 units = a.heads * a.blocks;
  op.attention.panels = op.scope.alloc<u16>(units, a.qk_padded * kPrefillLanes);
  op.attention.max = op.scope.alloc<float>(units, kPrefillLanes);
  op.attention.sum = op.scope.alloc<float>(units, kPrefillLanes);
  op.attention.acc = op.scope.alloc<float>(units, a.v_padded * kPrefillLanes);
  a = args_of(op.attention);
  for_rows(units, (a.qk_padded + a.v_padded) * kPrefillLanes / 4, [&](i64 begin, i64 end) {
    ctx.isa().prefill_attention->pack_prefill_queries(a, begin, end);
  });
}

void prefill_attention_tile(Ctx& ctx, const device::PrefillAttentionTile& op) {
  PrefillAttentionArgs a = args_of(op.attention);
  a.keys = op.k.dim(0);
  a.k = head_rows(op.k);
  a.v = head_rows(op.v);
  a.heads_per_kv_head = a.heads / op.k.dim(1);
  if (a.rope_dim > 0) {
    a.k_rope = head_rows(op.k_rope);
    a.heads_per_rope_head = a.heads / op.k_rope.dim(1);
  }
  a.key_begin = op.key_begin;
  const i64 threads = num_threads();
  a.parts = std::clamp<i64>(ceil_div(threads, a.heads), 1, a.blocks);
  const i64 units = a.heads * a.parts;
  const i64 bytes =
      round_up(kernels::prefill_scratch_bytes(a.key_padded, a.qk_padded, a.v_padded), 64);
  Workspace::Scope scope(ctx.workspace());
  const i64 workers = std::min(units, threads);
  const auto scratch = scope.alloc<u8>(workers, bytes);
  parallel_for(workers, 1, [&](i64 begin, i64 end) {
    for (i64 w = begin; w < end; ++w) {
      ctx.isa().prefill_attention->prefill_attention_units(
          a, units * w / workers, units * (w + 1) / workers, scratch.row(w));
    }
  });
}

void prefill_attention_end(Ctx& ctx, const device::PrefillAttentionEnd& op) {
  PrefillAttentionArgs a = args_of(op.attention);
  a.out = op.out.data();
  a.out_row = op.out.stride(0);
  a.out_head = op.out.stride(1);
  for_rows(a.heads * a.blocks, a.v_padded * kPrefillLanes / 4, [&](i64 begin, i64 end) {
    ctx.isa().prefill_attention->prefill_attention_end(a, begin, end);
  });
}

}  // namespace

void set_prefill_attention(device::OpTable& table) {
  table.set(takes_prefill_heads);
  table.set(prefill_attention_begin);
  table.set(prefill_attention_tile);
  table.set(prefill_attention_end);
}

}  // namespace fathom::backend::cpu
