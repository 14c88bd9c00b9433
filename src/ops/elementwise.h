#pragma once
#include "ops/ctx.h"
#include "tensor/mat_ref.h"
#include "tensor/view.h"

namespace fathom::ops {

/// y[i] = silu(gate[i]) * up[i], silu(z) = z / (1 + exp(-z)).  All [tokens, dim] f32; y overwritten,
/// may alias gate or up. Agrees with ref<double> to kSiluMulRelTol.
void silu_mul_forward(Ctx& ctx, View<const float, 2> gate, View<const float, 2> up,
                      View<float, 2> y);
inline constexpr double kSiluMulRelTol = 2e-6;

/// x[i] += y[i], [tokens, dim] f32: the residual connection.
void add_inplace(Ctx& ctx, View<float, 2> x, View<const float, 2> y);

/// out[t] = table[ids[t]], dequantised. ids [tokens] i32 in [0, rows), out [tokens, cols] f32
/// overwritten. Throws InternalError naming an id outside.
void embedding_forward(Ctx& ctx, const MatRef& table, View<const i32, 1> ids, View<float, 2> out);

/// out[t] = log softmax(logits[t])[targets[t]]; logits [tokens, vocab] f32, out [tokens] f64.
void token_log_probs(Ctx& ctx, View<const float, 2> logits, View<const i32, 1> targets,
                     View<double, 1> out);

}  // namespace fathom::ops
