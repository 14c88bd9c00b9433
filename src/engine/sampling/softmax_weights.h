#pragma once
// The weights of a draw, fast and with the same bits on every machine.
#include <span>

#include "base/types.h"

namespace fathom::engine {

/// Weights are summed in blocks of this many, so that a draw need not visit all.
inline constexpr i64 kWeightBlock = 256;

/// weights[i] = e^((logits[i] - largest) / temperature), 0 where that is below `least` or the logit
/// is no number; sums[b] the sum of block b in double. Returns the sum of all.
///   logits   [n]  f32  none above `largest`, which is finite
///   weights  [n]  f32  overwritten
///   sums     [ceil(n / kWeightBlock)]  f64  overwritten
/// `temperature` > 0, denormal numbers too. Plain IEEE operations in a fixed order, nothing fused:
/// no instruction set, and no width of its vectors, changes a bit. Relative error of a weight below
/// 3e-7 + 1.2e-7 * |ln weight|; those below e^-87 are 0.
double softmax_weights(std::span<const float> logits, float largest, double temperature,
                       double least, std::span<float> weights, std::span<double> sums);

}  // namespace fathom::engine
