#pragma once
// What experts compute, whoever's tokens they are: rows in, rows out. On one rank the rows are the
// step's own tokens; with experts on several ranks they are those that arrived.
#include "model/training/layers/ffn.h"
#include "ops/moe/moe_train.h"

namespace fathom::model::training {

/// The experts of this rank and the permuted rows that they run on.
struct ExpertRun {
  std::span<const TrainingFfnWeights> experts;  // permuted.offsets has one more
  ops::PermutedRows permuted;
  View<const float, 1> row_weights;  // [permuted rows]
  const FfnSaved* saved = nullptr;   // [permuted rows, moe_intermediate]; activation: weighted

  i64 rows() const { return permuted.offsets(permuted.offsets.dim(0) - 1); }
};

/// out[r] = FFN_e(x[permuted.tokens[r]]) times the row's weight, which stands in front of
/// down_proj.
///   x    [tokens, hidden]         any saved format
///   out  [permuted rows, hidden]  f32  overwritten
void experts_forward(const TrainStep& step, const ExpertRun& run, const ops::PackSource& x,
                     View<float, 2> out);
///   dy            [tokens, hidden]         any saved format
///   drow_weights  [permuted rows]          OVERWRITTEN
///   dx            [permuted rows, hidden]  OVERWRITTEN
void experts_backward_input(const TrainStep& step, const ExpertRun& run, const ops::PackSource& dy,
                            const FfnBackward& b, View<float, 1> drow_weights, View<float, 2> dx);
///   dy, x  [tokens, hidden]  transposed for wgrad
void experts_backward_weight(const TrainStep& step, const ExpertRun& run, const ops::PackSource& dy,
                             const ops::PackSource& x, const FfnBackward& b,
                             std::span<const FfnGrads> grads);

}  // namespace fathom::model::training
