#include "ops/causal_attention.h"

#include <algorithm>

#include "base/checked_math.h"
#include "kernels/cpu/causal_attention/causal_attention_table.h"
#include "kernels/cpu/isa/isa_table.h"
#include "ops/checks.h"
#include "ops/shared_units.h"

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

kernels::HeadRows head_rows(const Rows& x) { return {x.data(), x.stride(0), x.stride(1)}; }
kernels::HeadRowsOut head_rows(const View<float, 3>& x) {
  return {x.data(), x.stride(0), x.stride(1)};
}

kernels::CausalAttentionArgs args_of(const CausalAttentionInputs& in) {
  const bool rope = !in.q_rope.empty();
  return {.q = head_rows(in.q),
          .k = head_rows(in.k),
          .q_rope = head_rows(in.q_rope),
          .k_rope = head_rows(in.k_rope),
          .v = head_rows(in.v),
          .first_key = in.first_key.data(),
          .sequences = in.q.dim(0) / in.seq_len,
          .seq_len = in.seq_len,
          .heads = in.q.dim(1),
          .kv_heads = in.k.dim(1),
          .rope_heads = rope ? in.k_rope.dim(1) : 1,
          .dim = in.q.dim(2),
          .rope_dim = rope ? in.q_rope.dim(2) : 0,
          .v_dim = in.v.dim(2),
          .scale = in.scale,
          .bf16 = in.bf16};
}

i64 num_workers(const kernels::CausalAttentionArgs& args) {
  return std::min<i64>(args.sequences * args.heads, num_threads());
}

/// kernel(args, begin, end, scratch) over all units, one slice of scratch a thread. Units with
/// short documents are done sooner, so they are taken one by one.
template <typename Args>
void run_units(Ctx& ctx, const Args& args, i64 scratch_bytes,
               void (*kernel)(const Args&, int64_t, int64_t, void*)) {
  const i64 units = args.in.sequences * args.in.heads;
  const i64 workers = num_workers(args.in);
  Workspace::Scope scope(ctx.workspace());
  const auto scratch = scope.alloc<u8>(workers, round_up(scratch_bytes, 64));
  for_units(units, workers,
            [&](i64 worker, i64 unit) { kernel(args, unit, unit + 1, scratch.row(worker)); });
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
  require_cpu(ctx, "causal_attention_forward");
  check_inputs(in);
  check_rows("out", out, in.q.dim(0), in.q.dim(1), in.v.dim(2));
  check_lse(in, lse);
  const kernels::CausalAttentionForwardArgs args = {
      .in = args_of(in), .out = head_rows(out), .lse = lse.data(), .lse_stride = lse.stride(0)};
  const kernels::cpu::CausalAttentionTable& table = *ctx.isa().causal_attention;
  run_units(ctx, args, table.causal_attention_forward_scratch_bytes(args.in),
            table.causal_attention_forward_units);
}

void causal_attention_backward(Ctx& ctx, const CausalAttentionInputs& in, View<const float, 3> out,
                               View<const float, 2> lse, View<const float, 3> dout,
                               const CausalAttentionGrads& grads) {
  require_cpu(ctx, "causal_attention_backward");
  check_inputs(in);
  check_rows("out", out, in.q.dim(0), in.q.dim(1), in.v.dim(2));
  check_rows("dout", dout, in.q.dim(0), in.q.dim(1), in.v.dim(2));
  check_lse(in, lse);
  check_grads(in, grads);
  const kernels::CausalAttentionBackwardArgs args = {.in = args_of(in),
                                                     .out = head_rows(out),
                                                     .dout = head_rows(dout),
                                                     .lse = lse.data(),
                                                     .lse_stride = lse.stride(0),
                                                     .dq = head_rows(grads.dq),
                                                     .dk = head_rows(grads.dk),
                                                     .dq_rope = head_rows(grads.dq_rope),
                                                     .dk_rope = head_rows(grads.dk_rope),
                                                     .dv = head_rows(grads.dv)};
  const kernels::cpu::CausalAttentionTable& table = *ctx.isa().causal_attention;
  run_units(ctx, args, table.causal_attention_backward_scratch_bytes(args.in),
            table.causal_attention_backward_units);
}

i64 causal_attention_scratch_bytes(const Ctx& ctx, i64 sequences, i64 seq_len, i64 heads,
                                   i64 qk_dim, i64 v_dim, bool bf16) {
  const kernels::CausalAttentionArgs args = {.sequences = sequences,
                                             .seq_len = seq_len,
                                             .heads = heads,
                                             .kv_heads = heads,
                                             .rope_heads = 1,
                                             .dim = qk_dim,
                                             .rope_dim = 0,
                                             .v_dim = v_dim,
                                             .bf16 = bf16};
  const kernels::cpu::CausalAttentionTable& table = *ctx.isa().causal_attention;
  const i64 bytes = std::max(table.causal_attention_forward_scratch_bytes(args),
                             table.causal_attention_backward_scratch_bytes(args));
  return num_workers(args) * round_up(bytes, 64);
}

void sum_heads(Ctx& ctx, View<const float, 3> x, View<float, 3> y) {
  require_cpu(ctx, "sum_heads");
  FATHOM_CHECK(y.dim(1) > 0 && x.dim(1) % y.dim(1) == 0, "x ", x, " has no whole groups for y ", y);
  check_rows("y", y, x.dim(0), y.dim(1), x.dim(2));
  FATHOM_CHECK(last_axis_contiguous(x), "the last axis of x ", x, " must be contiguous");
  const kernels::SumHeadsArgs args = {
      .x = head_rows(x), .y = head_rows(y), .heads = x.dim(1), .groups = y.dim(1), .dim = x.dim(2)};
  ctx.for_rows(x.dim(0), x.dim(1) * x.dim(2), [&](i64 begin, i64 end) {
    ctx.isa().causal_attention->sum_heads_rows(args, begin, end);
  });
}

}  // namespace fathom::ops
