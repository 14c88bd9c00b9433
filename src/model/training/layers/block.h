#pragma once
#include <variant>

#include "model/training/layers/gqa.h"
#include "model/training/layers/mla.h"
#include "model/training/moe/moe.h"

namespace fathom::model::training {

using TrainingBlockWeights = BlockParameters<const PackedLinear*, View<const float, 1>,
                                             TrainingFfnWeights, TrainingMoeWeights>;
using BlockGrads = BlockParameters<View<float, 2>, View<float, 1>, FfnGrads, MoeGrads>;

/// One half of a layer: x += f(RMSNorm(x)).
struct BranchSaved {
  SavedMatrix x;        // [tokens, hidden]  the residual stream before
  View<float, 1> rstd;  // [tokens]
  SavedMatrix normed;   // [tokens, hidden]  recompute.norms off
};
struct BlockSaved {
  BranchSaved attention_input;
  std::variant<MlaSaved, GqaSaved> self_attn;
  BranchSaved mlp_input;
  std::variant<FfnSaved, MoeSaved> mlp;
};
/// `layer`: a main layer, or num_hidden_layers + k of an MTP module.
BlockSaved plan_block(const PassShape& shape, i64 layer, i64 tokens, StoragePlan& plan);

/// x += Attention(RMSNorm(x)); x += FFN(RMSNorm(x)).
///   x  [tokens, hidden]  f32  the residual stream, updated in place
void block_training_forward(const TrainStep& step, const TrainingBlockWeights& w, View<float, 2> x,
                            const BlockSaved& saved);
/// Both halves of the backward pass, one branch after the other.
///   dx  [tokens, hidden]  the residual stream's gradient: of the output, becomes the input's
/// Balance losses of an MoE layer are added to step.stats.
void block_backward(const TrainStep& step, const TrainingBlockWeights& w, const BlockSaved& saved,
                    View<float, 2> dx, const BlockGrads& grads);

/// What the second half of the backward pass reads beside what the forward pass saved.
struct BlockWeightWork {
  using Attention = std::variant<MlaBackward, GqaBackward>;
  using Mlp = std::variant<FfnBackward, MoeBackward>;
  View<float, 2> dattention;  // [tokens, hidden]  of the attention's output
  View<float, 2> dmlp;        // [tokens, hidden]  of the feed-forward's
  Attention attention;
  Mlp mlp;
};
/// The halves apart, which together are block_backward, bit for bit. What the second needs is in
/// memory of `kept`, which must live until then, as must `saved`.
BlockWeightWork block_backward_input(const TrainStep& step, const TrainingBlockWeights& w,
                                     const BlockSaved& saved, View<float, 2> dx,
                                     const BlockGrads& grads, Workspace::Scope& kept);
void block_backward_weight(const TrainStep& step, const TrainingBlockWeights& w,
                           const BlockSaved& saved, const BlockWeightWork& work,
                           const BlockGrads& grads);

}  // namespace fathom::model::training
