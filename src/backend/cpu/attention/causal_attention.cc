#include <algorithm>

#include "backend/cpu/attention/head_rows.h"
#include "backend/cpu/table.h"
#include "backend/cpu/threads.h"
#include "base/checked_math.h"
#include "kernels/cpu/causal_attention/causal_attention_table.h"
#include "kernels/cpu/isa/isa_table.h"

namespace fathom::backend::cpu {
namespace {

kernels::CausalAttentionArgs args_of(const device::CausalAttentionInputs& in) {
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
  parallel_for_each(units, workers, [&](i64 worker, i64 unit) {
    kernel(args, unit, unit + 1, scratch.row(worker));
  });
}

void causal_attention_forward(Ctx& ctx, const device::CausalAttentionForward& op) {
  const kernels::CausalAttentionForwardArgs args = {.in = args_of(op.in),
                                                    .out = head_rows_out(op.out),
                                                    .lse = op.lse.data(),
                                                    .lse_stride = op.lse.stride(0)};
  const kernels::cpu::CausalAttentionTable& table = *ctx.isa().causal_attention;
  run_units(ctx, args, table.causal_attention_forward_scratch_bytes(args.in),
            table.causal_attention_forward_units);
}

void causal_attention_backward(Ctx& ctx, const device::CausalAttentionBackward& op) {
  const kernels::CausalAttentionBackwardArgs args = {.in = args_of(op.in),
                                                     .out = head_rows(op.out),
                                                     .dout = head_rows(op.dout),
                                                     .lse = op.lse.data(),
                                                     .lse_stride = op.lse.stride(0),
                                                     .dq = head_rows_out(op.grads.dq),
                                                     .dk = head_rows_out(op.grads.dk),
                                                     .dq_rope = head_rows_out(op.grads.dq_rope),
                                                     .dk_rope = head_rows_out(op.grads.dk_rope),
                                                     .dv = head_rows_out(op.grads.dv)};
  const kernels::cpu::CausalAttentionTable& table = *ctx.isa().causal_attention;
  run_units(ctx, args, table.causal_attention_backward_scratch_bytes(args.in),
            table.causal_attention_backward_units);
}

i64 causal_attention_scratch_bytes(const Ctx& ctx, const device::CausalAttentionScratchBytes& op) {
  const kernels::CausalAttentionArgs args = {.sequences = op.sequences,
                                             .seq_len = op.seq_len,
                                             .heads = op.heads,
                                             .kv_heads = op.heads,
                                             .rope_heads = 1,
                                             .dim = op.qk_dim,
                                             .rope_dim = 0,
                                             .v_dim = op.v_dim,
                                             .bf16 = op.bf16};
  const kernels::cpu::CausalAttentionTable& table = *ctx.isa().causal_attention;
  const i64 bytes = std::max(table.causal_attention_forward_scratch_bytes(args),
                             table.causal_attention_backward_scratch_bytes(args));
  return num_workers(args) * round_up(bytes, 64);
}

void sum_heads(Ctx& ctx, const device::SumHeads& op) {
  const kernels::SumHeadsArgs args = {.x = head_rows(op.x),
                                      .y = head_rows_out(op.y),
                                      .heads = op.x.dim(1),
                                      .groups = op.y.dim(1),
                                      .dim = op.x.dim(2)};
  for_rows(op.x.dim(0), args.heads * args.dim, [&](i64 begin, i64 end) {
    ctx.isa().causal_attention->sum_heads_rows(args, begin, end);
  });
}

}  // namespace

void set_causal_attention(device::OpTable& table) {
  table.set(causal_attention_forward);
  table.set(causal_attention_backward);
  table.set(causal_attention_scratch_bytes);
  table.set(sum_heads);
}

}  // namespace fathom::backend::cpu
