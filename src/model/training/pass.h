#pragma once
// Forward and backward of the whole model over one micro-batch. Reads as the paper's figures 2
// and 3.
#include <vector>

#include "model/training/binding.h"

namespace fathom::model::training {

/// What a pass saves, main layers and MTP modules, and its inputs as the layers read them.
struct ModelSaved {
  View<i32, 2> ids;        // [1 + mtp, tokens]  row k: t_{i+k}
  View<i32, 2> targets;    // [1 + mtp, tokens]  row k: t_{i+k+1}, negative: none
  View<i64, 1> positions;  // [tokens]
  ops::RopeAngles rope;    // [tokens, rope/2]
  View<i32, 1> first_key;  // [tokens]
  View<i32, 2> largest;    // [1 + modules, tokens]  arg-max of each head's logits
  std::vector<BlockSaved> layers;
  SavedMatrix x;          // [tokens, hidden]  before the final norm
  View<float, 1> rstd;    // [tokens]
  View<float, 3> hidden;  // [1 + mtp, tokens, hidden]  after the final norm and each module's
  std::vector<MtpSaved> mtp;
};
ModelSaved plan_model(const PassShape& shape, i64 tokens, StoragePlan& plan);

/// ids, targets, positions and first_key of a batch. Throws InternalError on another shape.
void set_inputs(Ctx& ctx, const ModelConfig& config, const TrainingBatch& batch,
                const ModelSaved& saved);

/// Embedding, blocks, final norm -> saved.hidden[0]; then `modules` MTP modules -> saved.hidden[k].
void forward_pass(const TrainStep& step, const TrainingModelWeights& w, i64 modules,
                  const ModelSaved& saved);

/// The losses of every head, into step.stats; with `dhidden` [1 + mtp, tokens, hidden]
/// (overwritten) also their gradients, scaled by step.scale.
void head_losses(const TrainStep& step, const TrainingModelWeights& w, const ModelSaved& saved,
                 View<float, 3> dhidden, View<float, 2> dhead);

/// From the heads' gradients to the parameters'. dhidden is used up.
void backward_pass(const TrainStep& step, const TrainingModelWeights& w, const ModelSaved& saved,
                   View<float, 3> dhidden, const ModelGrads& grads);

}  // namespace fathom::model::training
