#pragma once
// Forward and backward of a stage of the model over one micro-batch; on one rank the whole model is
// one stage. Reads as the paper's figures 2 and 3.
#include <vector>

#include "model/training/binding.h"
#include "model/training/rank_part.h"

namespace fathom::model::training {

/// What a pass saves, the stage's layers and MTP modules, and its inputs as the layers read them.
struct ModelSaved {
  View<i32, 2> ids;        // [1 + mtp, tokens]  row k: t_{i+k}
  View<i32, 2> targets;    // [1 + mtp, tokens]  row k: t_{i+k+1}, negative: none
  View<i64, 1> positions;  // [tokens]
  ops::RopeAngles rope;    // [tokens, rope/2]
  View<i32, 1> first_key;  // [tokens]
  View<i32, 2> largest;    // [1 + modules, tokens]  arg-max of each head's logits
  std::vector<BlockSaved> layers;
  // Of the head's stage.
  SavedMatrix x;              // [tokens, hidden]  before the final norm
  View<float, 1> rstd;        // [tokens]
  View<float, 3> hidden;      // [1 + mtp, tokens, hidden]  after the final norm and each module's
  View<float, 3> embeddings;  // [mtp, tokens, hidden]  of t_{i+k}, where they arrive
  std::vector<MtpSaved> mtp;
};
ModelSaved plan_stage(const PassShape& shape, const StageLayers& stage, i64 tokens,
                      StoragePlan& plan);

/// ids, targets, positions and first_key of a batch. Throws InternalError on another shape.
void set_inputs(Ctx& ctx, const ModelConfig& config, const TrainingBatch& batch,
                const ModelSaved& saved);

/// The embeddings of t_{i+k}, rows[k - 1] of [mtp, tokens, hidden], OVERWRITTEN: what a head's
/// stage on another rank is given.
void mtp_embeddings(const TrainStep& step, const TrainingModelWeights& w, const ModelSaved& saved,
                    View<float, 3> rows);

/// Embedding, blocks, final norm -> saved.hidden[0]; then `modules` MTP modules -> saved.hidden[k]:
/// of it what the stage has.
///   x  [tokens, hidden]  f32  the residual stream, updated in place; OVERWRITTEN by the embedding
void forward_pass(const TrainStep& step, const TrainingModelWeights& w, const StageLayers& stage,
                  i64 modules, View<float, 2> x, const ModelSaved& saved);

/// The losses of every head, into step.stats; with `dhidden` [1 + mtp, tokens, hidden]
/// (overwritten) also their gradients, scaled by step.scale.
void head_losses(const TrainStep& step, const TrainingModelWeights& w, const ModelSaved& saved,
                 View<float, 3> dhidden, View<float, 2> dhead);

/// What travels through a backward pass.
///   dhidden      [1 + mtp, tokens, hidden]  of the heads' inputs, used up; the head's stage only
///   dx           [tokens, hidden]           of the stage's output, becomes that of its input; the
///                                           head's stage OVERWRITES it
///   dembeddings  [mtp, tokens, hidden]      of the MTP modules' embeddings: OVERWRITTEN by the
///                                           head's stage, read by the embedding's
struct BackwardIo {
  View<float, 3> dhidden;
  View<float, 2> dx;
  View<float, 3> dembeddings;
};
/// From the heads' gradients to the parameters'.
void backward_pass(const TrainStep& step, const TrainingModelWeights& w, const StageLayers& stage,
                   const ModelSaved& saved, const BackwardIo& io, const ModelGrads& grads);

/// The same in two halves, which together give the same bits: all but the weight gradients of the
/// main layers' matrices, whose work waits in memory of `kept`, a BlockWeightWork a layer.
void backward_pass_input(const TrainStep& step, const TrainingModelWeights& w,
                         const StageLayers& stage, const ModelSaved& saved, const BackwardIo& io,
                         const ModelGrads& grads, Workspace::Scope& kept,
                         std::vector<BlockWeightWork>& work);
void backward_pass_weight(const TrainStep& step, const TrainingModelWeights& w,
                          const StageLayers& stage, const ModelSaved& saved,
                          const std::vector<BlockWeightWork>& work, const ModelGrads& grads);

}  // namespace fathom::model::training
