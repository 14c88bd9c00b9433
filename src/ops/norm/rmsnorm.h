#pragma once
#include "device/ctx.h"
#include "tensor/view.h"

namespace fathom::ops {

/// y[t, i] = x[t, i] * rstd[t] * weight[i],  rstd[t] = 1 / sqrt(mean_i x[t, i]^2 + eps)
/// Source: Zhang & Sennrich 2019; DeepSeek-V3 §4.2 adds it after the MLA latents too.
///   x       [tokens, dim]  f32   rows may be strided, last axis contiguous
///   weight  [dim]          f32
///   y       [tokens, dim]  f32   overwritten; may alias x
///   rstd    [tokens]       f32   overwritten; saved for backward; empty view = not saved
/// Accumulates in f32. Agrees with ref::rmsnorm<double> to kRmsNormRelTol for dim <= 8192.
/// Throws InternalError on a shape mismatch. CPU.
void rmsnorm_forward(Ctx& ctx, View<const float, 2> x, View<const float, 1> weight, float eps,
                     View<float, 2> y, View<float, 1> rstd = {});
inline constexpr double kRmsNormRelTol = 2e-6;

/// Every head of every token by itself, in place:
///   x[t, h, :] = rmsnorm(x[t, h, :], weight)
/// Source: Henry et al. 2020 (QK norm), as transformers' Qwen3Attention has it.
///   x       [tokens, heads, dim]  f32   any strides, last axis contiguous
///   weight  [dim]                 f32   shared by the heads
void rmsnorm_heads_inplace(Ctx& ctx, View<float, 3> x, View<const float, 1> weight, float eps);

/// Gradients of rmsnorm_forward. With xhat = x * rstd:
///   dx[t, i]   = rstd[t] * (w[i] dy[t, i] - xhat[t, i] * mean_j(w[j] dy[t, j] xhat[t, j]))
///   dweight[i] += sum_t dy[t, i] xhat[t, i]
///   dy, x    [tokens, dim]  f32   rows may be strided
///   rstd     [tokens]       f32   as forward saved it
///   dx       [tokens, dim]  f32   OVERWRITTEN, or ACCUMULATED if `accumulate_dx` (the residual
///                                 stream); may alias dy if overwritten
///   dweight  [dim]          f32   ACCUMULATED
/// dweight is summed over blocks of rows of a fixed size and then over the blocks, so it is bitwise
/// the same for any thread count.
void rmsnorm_backward(Ctx& ctx, View<const float, 2> dy, View<const float, 2> x,
                      View<const float, 1> weight, View<const float, 1> rstd, View<float, 2> dx,
                      View<float, 1> dweight, bool accumulate_dx = false);
inline constexpr double kRmsNormGradRelTol = 1e-5;

}  // namespace fathom::ops
