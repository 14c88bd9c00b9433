#pragma once
#include "model/parameters/parameters.h"
#include "model/training/layers/linear.h"
#include "model/training/memory/storage_plan.h"

namespace fathom::model::training {

using TrainingFfnWeights = FfnParameters<const PackedLinear*>;
using FfnGrads = FfnParameters<View<float, 2>>;

struct FfnSaved {
  SavedMatrix gate;        // [tokens, intermediate]
  SavedMatrix up;          // [tokens, intermediate]
  SavedMatrix activation;  // [tokens, intermediate]  silu(gate) * up; recompute.swiglu off
};
/// `hidden`: the format of gate and up, which differs between dense layers and experts.
FfnSaved plan_ffn(const RecomputeConfig& recompute, const Precision& precision, SavedFormat hidden,
                  i64 tokens, i64 intermediate, StoragePlan& plan);

struct FfnBackward {
  View<float, 2> dgate;       // [tokens, intermediate]
  View<float, 2> dup;         // [tokens, intermediate]
  View<float, 2> activation;  // [tokens, intermediate]  recomputed; unset if it was saved
};
FfnBackward alloc_ffn_backward(const TrainStep& step, Workspace::Scope& scope, i64 intermediate);

/// y = down_proj(silu(gate_proj x) * up_proj x).
///   x, y  [tokens, hidden]  f32  y overwritten
void ffn_training_forward(const TrainStep& step, const TrainingFfnWeights& w,
                          View<const float, 2> x, View<float, 2> y, const FfnSaved& saved);
///   dy, dx  [tokens, hidden]  dx OVERWRITTEN, or added to
void ffn_backward_input(const TrainStep& step, const TrainingFfnWeights& w, View<const float, 2> dy,
                        const FfnSaved& saved, const FfnBackward& b, View<float, 2> dx,
                        Into into = Into::kOverwrite);
void ffn_backward_weight(const TrainStep& step, const TrainingFfnWeights& w,
                         View<const float, 2> dy, const ops::PackSource& x, const FfnSaved& saved,
                         const FfnBackward& b, const FfnGrads& grads);

}  // namespace fathom::model::training
