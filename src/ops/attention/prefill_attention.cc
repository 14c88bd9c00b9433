#include "ops/attention/prefill_attention.h"

#include "device/run.h"
#include "ops/checks.h"

namespace fathom::ops {
namespace {

void check_shared_heads(const char* what, i64 heads, i64 key_heads) {
  FATHOM_CHECK(key_heads > 0 && heads % key_heads == 0, what, ": ", heads, " heads share ",
               key_heads, " key heads");
}

}  // namespace

bool has_prefill_attention(const Ctx& ctx, i64 dim, i64 rope_dim) {
  return device::has<device::PrefillAttentionTile>(ctx) &&
         ask(ctx, device::TakesPrefillHeads{.dim = dim, .rope_dim = rope_dim});
}

PrefillAttention prefill_attention_begin(Ctx& ctx, Workspace::Scope& scope, View<const float, 3> q,
                                         View<const float, 3> q_rope, i64 first_position,
                                         float scale, i64 v_dim, i64 max_keys) {
  PrefillAttention attention{.q = q,
                             .q_rope = q_rope,
                             .first_position = first_position,
                             .scale = scale,
                             .v_dim = v_dim,
                             .max_keys = max_keys};
  device::require<device::PrefillAttentionBegin>(ctx);
  FATHOM_CHECK(has_prefill_attention(ctx, attention.dim(), attention.rope_dim()), "q ", q,
               " and q_rope ", q_rope);
  FATHOM_CHECK(q_rope.empty() || (q_rope.dim(0) == q.dim(0) && q_rope.dim(1) == q.dim(1)),
               "q_rope ", q_rope, " vs q ", q);
  FATHOM_CHECK(last_axis_contiguous(q) && (q_rope.empty() || last_axis_contiguous(q_rope)),
               "the last axis of q ", q, " and q_rope ", q_rope, " must be contiguous");
  run(ctx, device::PrefillAttentionBegin{.scope = scope, .attention = attention});
  return attention;
}

void prefill_attention_tile(Ctx& ctx, const PrefillAttention& a, View<const float, 3> k,
                            View<const float, 3> k_rope, View<const float, 3> v, i64 key_begin) {
  const i64 keys = k.dim(0);
  FATHOM_CHECK(k.dim(2) == a.dim() && v.dim(0) == keys && v.dim(1) == k.dim(1) &&
                   v.dim(2) == a.v_dim && keys <= a.max_keys,
               "k ", k, " and v ", v, " vs heads of ", a.dim(), " and ", a.v_dim, ", at most ",
               a.max_keys, " keys");
  FATHOM_CHECK(
      k_rope.empty() ? a.rope_dim() == 0 : k_rope.dim(0) == keys && k_rope.dim(2) == a.rope_dim(),
      "k_rope ", k_rope, " vs k ", k, " and ", a.rope_dim(), " rotated channels");
  FATHOM_CHECK(last_axis_contiguous(k) && last_axis_contiguous(v) &&
                   (k_rope.empty() || last_axis_contiguous(k_rope)),
               "the last axis of k ", k, ", k_rope ", k_rope, " and v ", v, " must be contiguous");
  check_shared_heads("k", a.heads(), k.dim(1));
  if (!k_rope.empty()) check_shared_heads("k_rope", a.heads(), k_rope.dim(1));
  if (a.tokens() == 0 || keys == 0) return;
  run(ctx, device::PrefillAttentionTile{
               .attention = a, .k = k, .k_rope = k_rope, .v = v, .key_begin = key_begin});
}

void prefill_attention_end(Ctx& ctx, const PrefillAttention& a, View<float, 3> out) {
  FATHOM_CHECK(out.dim(0) == a.tokens() && out.dim(1) == a.heads() && out.dim(2) == a.v_dim &&
                   last_axis_contiguous(out),
               "out ", out, " vs ", a.tokens(), " tokens, ", a.heads(), " heads of ", a.v_dim);
  run(ctx, device::PrefillAttentionEnd{.attention = a, .out = out});
}

}  // namespace fathom::ops
