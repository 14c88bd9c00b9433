#pragma once
#include "device/ctx.h"
#include "tensor/view.h"

namespace fathom::ops {

/// y[t, i] = weight[t] * silu(gate[t, i]) * up[t, i]: SwiGLU of a routed expert with the routing
/// weight in front of down_proj instead of behind it, W_down (g a) = g (W_down a). Then neither the
/// experts' outputs nor their gradients are needed to differentiate the weight.
/// Source: DeepSeek-V3 §2.1.2, eq. (12); the weight's place as in Megatron-LM's weighted SwiGLU.
///   gate, up  [tokens, dim]  f32   rows may be strided
///   weight    [tokens]       f32
///   y         [tokens, dim]  f32   overwritten; may alias gate or up
/// Agrees with ref<double> to kWeightedSiluMulRelTol. CPU.
void weighted_silu_mul_forward(Ctx& ctx, View<const float, 2> gate, View<const float, 2> up,
                               View<const float, 1> weight, View<float, 2> y);
inline constexpr double kWeightedSiluMulRelTol = 2e-6;

/// Gradients, with s = sigmoid(gate):
///   dgate = weight dy up s (1 + gate (1 - s)),  dup = weight dy gate s
///   dweight[t] = sum_i dy[t, i] gate[t, i] s up[t, i]
/// All OVERWRITTEN; dgate, dup and y may alias any input.  y [tokens, dim]: the forward result made
/// again, bit for bit; empty: not wanted.
void weighted_silu_mul_backward(Ctx& ctx, View<const float, 2> dy, View<const float, 2> gate,
                                View<const float, 2> up, View<const float, 1> weight,
                                View<float, 2> dgate, View<float, 2> dup, View<float, 1> dweight,
                                View<float, 2> y = {});
/// Relative to the largest |gradient|.
inline constexpr double kWeightedSiluMulGradRelTol = 4e-6;

}  // namespace fathom::ops
