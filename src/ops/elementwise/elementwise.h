#pragma once
#include "device/ctx.h"
#include "tensor/mat_ref.h"
#include "tensor/view.h"

namespace fathom::ops {

/// y[i] = silu(gate[i]) * up[i], silu(z) = z / (1 + exp(-z)).  All [tokens, dim] f32; y
/// overwritten, may alias gate or up. Agrees with ref<double> to kSiluMulRelTol.
void silu_mul_forward(Ctx& ctx, View<const float, 2> gate, View<const float, 2> up,
                      View<float, 2> y);
inline constexpr double kSiluMulRelTol = 2e-6;

/// Gradients of silu_mul_forward, with s = 1 / (1 + exp(-gate)):
///   dgate = dy * up * s * (1 + gate * (1 - s)),  dup = dy * gate * s
/// All [tokens, dim] f32; dgate and dup OVERWRITTEN, either may alias any input. Rows may be
/// strided. If `y` is not empty it becomes silu(gate) * up, the bits of silu_mul_forward, for a
/// recipe that saves gate and up but not y (V3 §3.2.3); it may alias an input too. Agrees with
/// ref<double> to kSiluMulGradRelTol of |dy up| s (1 + |gate| (1 - s)), resp. of dup.
void silu_mul_backward(Ctx& ctx, View<const float, 2> dy, View<const float, 2> gate,
                       View<const float, 2> up, View<float, 2> dgate, View<float, 2> dup,
                       View<float, 2> y = {});
inline constexpr double kSiluMulGradRelTol = 4e-6;

/// x[i] += y[i], [tokens, dim] f32, rows may be strided: the residual connection.
void add_inplace(Ctx& ctx, View<float, 2> x, View<const float, 2> y);

/// x[t, i] *= scales[t].  x [tokens, dim] f32, rows may be strided; scales [tokens] f32.
void scale_rows_inplace(Ctx& ctx, View<float, 2> x, View<const float, 1> scales);

/// x[t, i] += bias[i].  x [tokens, dim] f32, rows may be strided; bias [dim] f32.
void add_bias_inplace(Ctx& ctx, View<float, 2> x, View<const float, 1> bias);
/// Its gradient: dbias[i] += sum_t dx[t, i].  dx [tokens, dim] f32, contiguous; dbias [dim] f32
/// ACCUMULATED. A column is summed in the order of t: bitwise the same for any thread count.
/// Agrees with the exact sum to kBiasGradRelTol of sum_t |dx[t, i]|.
void add_bias_backward(Ctx& ctx, View<const float, 2> dx, View<float, 1> dbias);
inline constexpr double kBiasGradRelTol = 1e-5;

/// out[t] = table[ids[t]], dequantised. table f32 | bf16 | fp8_e4m3 with scales; ids [tokens] i32
/// in [0, rows), out [tokens, cols] f32 overwritten. Throws InternalError naming an id outside.
void embedding_forward(Ctx& ctx, const MatRef& table, View<const i32, 1> ids, View<float, 2> out);

/// dtable[ids[t]] += dout[t].  dtable [rows, cols] f32 ACCUMULATED; ids [tokens] i32; dout [tokens,
/// cols] f32. Each row of the table is summed in the order of t: bitwise the same for any thread
/// count. An id of -1 is skipped.
void embedding_backward(Ctx& ctx, View<const float, 2> dout, View<const i32, 1> ids,
                        View<float, 2> dtable);

/// out[t] = log softmax(logits[t])[targets[t]]; logits [tokens, vocab] f32, targets [tokens] i32 in
/// [0, vocab), out [tokens] f64 overwritten. Exponentials in f32, their sum in blocks of 256 in f32
/// and then in f64. Throws InternalError naming a target outside.
void token_log_probs(Ctx& ctx, View<const float, 2> logits, View<const i32, 1> targets,
                     View<double, 1> out);
/// Absolute, in nats: the rounding of logit - max in f32 and the error of exp, seen through the
/// log.
inline constexpr double kTokenLogProbsAbsTol = 2e-6;

}  // namespace fathom::ops
