#include "ops/prompt_attention.h"

#include <algorithm>

#include "base/checked_math.h"
#include "kernels/cpu/attention/prefill_attention_table.h"
#include "kernels/cpu/isa/isa_table.h"
#include "ops/checks.h"
#include "ops/head_rows.h"

namespace fathom::ops {
namespace {

/// Heads that share one of `of` key heads.
i64 shared_by(const char* what, i64 heads, i64 of) {
  FATHOM_CHECK(of > 0 && heads % of == 0, what, ": ", heads, " heads share ", of, " key heads");
  return heads / of;
}

}  // namespace

bool has_prompt_attention(const Ctx& ctx, i64 dim, i64 rope_dim) {
  return ctx.isa().prefill_attention != nullptr && dim % 2 == 0 && rope_dim % 2 == 0;
}

PromptAttention prompt_attention_begin(Ctx& ctx, Workspace::Scope& scope, View<const float, 3> q,
                                       View<const float, 3> q_rope, i64 first_position, float scale,
                                       i64 v_dim, i64 most_keys) {
  require_cpu(ctx, "prompt_attention_begin");
  const i64 tokens = q.dim(0), heads = q.dim(1), dim = q.dim(2);
  const i64 rope_dim = q_rope.empty() ? 0 : q_rope.dim(2);
  FATHOM_CHECK(has_prompt_attention(ctx, dim, rope_dim), "q ", q, " and q_rope ", q_rope);
  FATHOM_CHECK(q_rope.empty() || (q_rope.dim(0) == tokens && q_rope.dim(1) == heads), "q_rope ",
               q_rope, " vs q ", q);
  FATHOM_CHECK(last_axis_contiguous(q) && (q_rope.empty() || last_axis_contiguous(q_rope)),
               "the last axis of q ", q, " and q_rope ", q_rope, " must be contiguous");
  using kernels::kPromptLanes;
  PromptAttention attention;
  kernels::PromptAttentionArgs& a = attention.args = {};
  a.q = head_rows(q);
  if (rope_dim > 0) a.q_rope = head_rows(q_rope);
  a.dim = dim;
  a.rope_dim = rope_dim;
  a.v_dim = v_dim;
  a.qk_padded = round_up(dim + rope_dim, 32);
  a.v_padded = round_up(v_dim, 16);
  a.heads = heads;
  a.tokens = tokens;
  a.blocks = ceil_div(tokens, kPromptLanes);
  a.first_position = first_position;
  a.key_padded = round_up(most_keys, 32);
  a.scale = scale;
  const i64 units = heads * a.blocks;
  a.panels = scope.alloc<u16>(units, a.qk_padded * kPromptLanes).data();
  a.max = scope.alloc<float>(units, kPromptLanes).data();
  a.sum = scope.alloc<float>(units, kPromptLanes).data();
  a.acc = scope.alloc<float>(units, a.v_padded * kPromptLanes).data();
  ctx.for_rows(units, (a.qk_padded + a.v_padded) * kPromptLanes / 4, [&](i64 begin, i64 end) {
    ctx.isa().prefill_attention->pack_prefill_queries(a, begin, end);
  });
  return attention;
}

void prompt_attention_tile(Ctx& ctx, const PromptAttention& attention, View<const float, 3> k,
                           View<const float, 3> k_rope, View<const float, 3> v, i64 key_begin) {
  kernels::PromptAttentionArgs a = attention.args;
  a.keys = k.dim(0);
  FATHOM_CHECK(k.dim(2) == a.dim && v.dim(0) == a.keys && v.dim(1) == k.dim(1) &&
                   v.dim(2) == a.v_dim && a.keys <= a.key_padded,
               "k ", k, " and v ", v, " vs heads of ", a.dim, " and ", a.v_dim, ", at most ",
               a.key_padded, " keys");
  FATHOM_CHECK(
      k_rope.empty() ? a.rope_dim == 0 : k_rope.dim(0) == a.keys && k_rope.dim(2) == a.rope_dim,
      "k_rope ", k_rope, " vs k ", k, " and ", a.rope_dim, " rotated channels");
  FATHOM_CHECK(last_axis_contiguous(k) && last_axis_contiguous(v) &&
                   (k_rope.empty() || last_axis_contiguous(k_rope)),
               "the last axis of k ", k, ", k_rope ", k_rope, " and v ", v, " must be contiguous");
  a.k = head_rows(k);
  a.v = head_rows(v);
  a.heads_per_kv_head = shared_by("k", a.heads, k.dim(1));
  if (a.rope_dim > 0) {
    a.k_rope = head_rows(k_rope);
    a.heads_per_rope_head = shared_by("k_rope", a.heads, k_rope.dim(1));
  }
  a.key_begin = key_begin;
  const i64 threads = num_threads();
  a.parts = std::clamp<i64>(ceil_div(threads, a.heads), 1, a.blocks);
  const i64 units = a.heads * a.parts;
  const i64 bytes =
      round_up(kernels::prompt_scratch_bytes(a.key_padded, a.qk_padded, a.v_padded), 64);
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

void prompt_attention_end(Ctx& ctx, const PromptAttention& attention, View<float, 3> out) {
  kernels::PromptAttentionArgs a = attention.args;
  FATHOM_CHECK(out.dim(0) == a.tokens && out.dim(1) == a.heads && out.dim(2) == a.v_dim &&
                   last_axis_contiguous(out),
               "out ", out, " vs ", a.tokens, " tokens, ", a.heads, " heads of ", a.v_dim);
  a.out = out.data();
  a.out_row = out.stride(0);
  a.out_head = out.stride(1);
  ctx.for_rows(a.heads * a.blocks, a.v_padded * kernels::kPromptLanes / 4, [&](i64 begin, i64 end) {
    ctx.isa().prefill_attention->prefill_attention_end(a, begin, end);
  });
}

}  // namespace fathom::ops
