#pragma once
// Attention over whole sequences for training: forward that saves the log-sum-exp, and backward
// that recomputes the probabilities from it (Dao 2022, 2023). Nothing of [seq_len, seq_len] is
// saved.
#include "device/causal_attention.h"
#include "device/ctx.h"
#include "tensor/view.h"

namespace fathom::ops {

using device::CausalAttentionGrads;
using device::CausalAttentionInputs;

/// out[t, h] = sum_s p[t, h, s] v[s, h],  p = softmax_s(scale * (q.k + q_rope.k_rope)) over
/// first_key <= s <= position of t.  lse[t, h] = log sum_s exp(scale * ...).
/// Source: DeepSeek-V3 §2.1.1, eq. (10).
///   out  [tokens, heads, v]  f32  overwritten
///   lse  [tokens, heads]     f32  overwritten
/// Bitwise the same for any thread count and number of sequences. Throws InternalError on a shape
/// mismatch. CPU.
void causal_attention_forward(Ctx& ctx, const CausalAttentionInputs& in, View<float, 3> out,
                              View<float, 2> lse);
inline constexpr double kCausalAttentionRelTol = 1e-5;

/// Gradients of causal_attention_forward:
///   out   [tokens, heads, v]  f32  of the forward pass (may have been rounded since)
///   lse   [tokens, heads]     f32
///   dout  [tokens, heads, v]  f32
/// ds = p * (dout.v - sum(dout * out)); dv = p^T dout; dq = scale ds k; dk = scale ds^T q.
void causal_attention_backward(Ctx& ctx, const CausalAttentionInputs& in, View<const float, 3> out,
                               View<const float, 2> lse, View<const float, 3> dout,
                               const CausalAttentionGrads& grads);
inline constexpr double kCausalAttentionGradRelTol = 3e-5;
/// With bf16: |error| / |result| of a whole result or gradient. Rounding to BF16 is off by 2^-9 at
/// most and a result passes through four (q and k in the logit; p or ds, and the other operand).
inline constexpr double kCausalAttentionBf16RelNorm = 4 * 0x1p-9;

/// Bytes of the workspace that either pass takes beside its operands, for the number of threads
/// there is: what a caller plans with. `qk_dim`: of a query head, rope part included.
i64 causal_attention_scratch_bytes(const Ctx& ctx, i64 sequences, i64 seq_len, i64 heads,
                                   i64 qk_dim, i64 v_dim, bool bf16);

/// y[t, g] = sum over the heads/groups heads h of group g of x[t, h], in rising order of h.
///   x  [tokens, heads, dim] f32;  y  [tokens, groups, dim] f32 overwritten; heads % groups == 0
void sum_heads(Ctx& ctx, View<const float, 3> x, View<float, 3> y);

}  // namespace fathom::ops
