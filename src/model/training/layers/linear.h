#pragma once
// The three products of a Linear y = x W^T, from packed weights.
//   x   [tokens, in]    y, dy  [tokens, out]    W  [out, in]
#include "model/training/memory/packed_weights.h"
#include "model/training/train_step.h"

namespace fathom::model::training {

enum class Into { kOverwrite, kAccumulate };

/// x packed for the fprop of `w`; several Linears of one rounding can share it.
ops::PackedMatrix pack_input(const TrainStep& step, Workspace::Scope& scope, View<const float, 2> x,
                             const PackedLinear& w);

/// y = x W^T, y overwritten.
void linear_training_forward(const TrainStep& step, View<const float, 2> x, const PackedLinear& w,
                             View<float, 2> y);
void linear_training_forward(const TrainStep& step, const ops::PackedMatrix& x,
                             const PackedLinear& w, View<float, 2> y);
/// dx = dy W, or dx += dy W.
void linear_backward_input(const TrainStep& step, View<const float, 2> dy, const PackedLinear& w,
                           View<float, 2> dx, Into into = Into::kOverwrite);
/// dW += dy^T x. `x`: f32 rows, or as they were saved.
void linear_backward_weight(const TrainStep& step, View<const float, 2> dy, const PackedLinear& w,
                            const ops::PackSource& x, View<float, 2> dweight);

/// A product's operands for wgrad, K = tokens: dy^T and x^T.
ops::PackedMatrix pack_gradient_transposed(const TrainStep& step, Workspace::Scope& scope,
                                           View<const float, 2> dy, const PackedLinear& w);
ops::PackedMatrix pack_input_transposed(const TrainStep& step, Workspace::Scope& scope,
                                        const ops::PackSource& x, const PackedLinear& w);

/// Several operands packed at once, in scratch of the scope.
View<const ops::PackedMatrix, 1> pack_several(const TrainStep& step, Workspace::Scope& scope,
                                              View<const ops::PackSource, 1> sources,
                                              const ops::GemmRounding& rounding);

}  // namespace fathom::model::training
