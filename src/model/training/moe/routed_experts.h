#pragma once
#include "model/training/moe/moe.h"

namespace fathom::model::training {

/// The permuted rows of this step's tokens: the first of a storage that may be larger.
ops::PermutedRows permuted_rows_of_step(const TrainStep& step, const ops::PermutedRows& stored);
/// How many (token, top-k slot) pairs have a permuted row.
i64 num_permuted_rows(const ops::PermutedRows& permuted);

/// Tokens that this rank's experts see, and their permuted rows: the step's own, or those that
/// arrived of all ranks.
i64 num_expert_tokens(const TrainStep& step, const MoeSaved& saved);
i64 num_expert_rows(const TrainStep& step, const MoeSaved& saved);

/// y = sum_{i in top} g_i FFN_i(x).
///   x, y  [tokens, hidden]  f32  y overwritten
void routed_experts_forward(const TrainStep& step, const TrainingMoeWeights& w,
                            View<const float, 2> x, View<float, 2> y, const MoeSaved& saved);
///   dy, dx    [tokens, hidden]  dx OVERWRITTEN
///   dweights  [tokens, topk]    OVERWRITTEN: gradients of the routing weights g_i
void routed_experts_backward_input(const TrainStep& step, const TrainingMoeWeights& w,
                                   View<const float, 2> dy, const MoeSaved& saved,
                                   const RoutedBackward& b, View<float, 2> dweights,
                                   View<float, 2> dx);
///   x  [tokens, hidden]  the layer's input, transposed for wgrad
void routed_experts_backward_weight(const TrainStep& step, const TrainingMoeWeights& w,
                                    View<const float, 2> dy, const ops::PackSource& x,
                                    const MoeSaved& saved, const RoutedBackward& b,
                                    std::span<const FfnGrads> grads);

}  // namespace fathom::model::training
