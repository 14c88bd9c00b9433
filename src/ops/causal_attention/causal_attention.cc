#include "ops/causal_attention/causal_attention.h"

#include "device/run.h"
#include "ops/checks.h"

namespace fathom::ops {
namespace {

using Rows = View<const float, 3>;

void check_rows(const char* name, const Rows& x, i64 tokens, i64 heads, i64 dim) {
  FATHOM_CHECK(x.dim(0) == tokens && x.dim(1) == heads && x.dim(2) == dim, name, " is ", x,
               ", expected [", tokens, ", ", heads, ", ", dim, "]");
  FATHOM_CHECK(last_axis_contiguous(x), "the last axis of ", name, " ", x, " must be contiguous");
}

void check_key_heads(const char* name, const Rows& x, i64 heads) {
  FATHOM_CHECK(x.dim(1) > 0 && heads % x.dim(1) == 0, heads, " query heads cannot share the ",
               x.dim(1), " heads of ", name, " ", x);
}

void check_first_key(const CausalAttentionInputs& in) {
  if (in.first_key.empty()) return;
  const i64 tokens = in.q.dim(0);
  FATHOM_CHECK(in.first_key.dim(0) == tokens && last_axis_contiguous(in.first_key), "first_key ",
               in.first_key, " vs ", tokens, " tokens");
  for (i64 t = 0; t < tokens; ++t) {
    FATHOM_CHECK(in.first_key(t) >= 0 && in.first_key(t) <= t % in.seq_len, "first_key[", t,
                 "] is ", in.first_key(t), ": a query sees at least itself, position ",
                 t % in.seq_len);
  }
}

void check_inputs(const CausalAttentionInputs& in) {
  const i64 tokens = in.q.dim(0), heads = in.q.dim(1);
  FATHOM_CHECK(in.seq_len > 0 && tokens % in.seq_len == 0, "seq_len ", in.seq_len, " vs q ", in.q);
  check_rows("q", in.q, tokens, heads, in.q.dim(2));
  check_rows("k", in.k, tokens, in.k.dim(1), in.q.dim(2));
  check_rows("v", in.v, tokens, in.k.dim(1), in.v.dim(2));
  check_key_heads("k", in.k, heads);
  FATHOM_CHECK(in.q_rope.empty() == in.k_rope.empty(), "q_rope ", in.q_rope, " vs k_rope ",
               in.k_rope);
  if (!in.q_rope.empty()) {
    check_rows("q_rope", in.q_rope, tokens, heads, in.q_rope.dim(2));
    check_rows("k_rope", in.k_rope, tokens, in.k_rope.dim(1), in.q_rope.dim(2));
    check_key_heads("k_rope", in.k_rope, heads);
  }
  check_first_key(in);
}

void check_grads(const CausalAttentionInputs& in, const CausalAttentionGrads& g) {
  const i64 tokens = in.q.dim(0), heads = in.q.dim(1), dim = in.q.dim(2);
  check_rows("dq", g.dq, tokens, heads, dim);
  check_rows("dk", g.dk, tokens, heads, dim);
  check_rows("dv", g.dv, tokens, heads, in.v.dim(2));
  FATHOM_CHECK(g.dq_rope.empty() == in.q_rope.empty() && g.dk_rope.empty() == in.q_rope.empty(),
               "dq_rope ", g.dq_rope, " and dk_rope ", g.dk_rope, " vs q_rope ", in.q_rope);
  if (in.q_rope.empty()) return;
  check_rows("dq_rope", g.dq_rope, tokens, heads, in.q_rope.dim(2));
  check_rows("dk_rope", g.dk_rope, tokens, heads, in.q_rope.dim(2));
}

void check_lse(const CausalAttentionInputs& in, const View<const float, 2>& lse) {
  FATHOM_CHECK(lse.dim(0) == in.q.dim(0) && lse.dim(1) == in.q.dim(1) && last_axis_contiguous(lse),
               "lse ", lse, " vs q ", in.q);
}

}  // namespace

void causal_attention_forward(Ctx& ctx, const CausalAttentionInputs& in, View<float, 3> out,
                              View<float, 2> lse) {
  check_inputs(in);
  check_rows("out", out, in.q.dim(0), in.q.dim(1), in.v.dim(2));
  check_lse(in, lse);
  run(ctx, device::CausalAttentionForward{.in = in, .out = out, .lse = lse});
}

void causal_attention_backward(Ctx& ctx, const CausalAttentionInputs& in, View<const float, 3> out,
                               View<const float, 2> lse, View<const float, 3> dout,
                               const CausalAttentionGrads& grads) {
  check_inputs(in);
  check_rows("out", out, in.q.dim(0), in.q.dim(1), in.v.dim(2));
  check_rows("dout", dout, in.q.dim(0), in.q.dim(1), in.v.dim(2));
  check_lse(in, lse);
  check_grads(in, grads);
  run(ctx, device::CausalAttentionBackward{
               .in = in, .out = out, .lse = lse, .dout = dout, .grads = grads});
}

i64 causal_attention_scratch_bytes(const Ctx& ctx, i64 sequences, i64 seq_len, i64 heads,
                                   i64 qk_dim, i64 v_dim, bool bf16) {
  return ask(ctx, device::CausalAttentionScratchBytes{.sequences = sequences,
                                                      .seq_len = seq_len,
                                                      .heads = heads,
                                                      .qk_dim = qk_dim,
                                                      .v_dim = v_dim,
                                                      .bf16 = bf16});
}

void sum_heads(Ctx& ctx, View<const float, 3> x, View<float, 3> y) {
  FATHOM_CHECK(y.dim(1) > 0 && x.dim(1) % y.dim(1) == 0, "x ", x, " has no whole groups for y ", y);
  check_rows("y", y, x.dim(0), y.dim(1), x.dim(2));
  FATHOM_CHECK(last_axis_contiguous(x), "the last axis of x ", x, " must be contiguous");
  run(ctx, device::SumHeads{.x = x, .y = y});
}

}  // namespace fathom::ops
