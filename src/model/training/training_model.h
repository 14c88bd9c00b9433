#pragma once
// The public face of training: a model that learns. Owns weights (f32 masters), gradients and the
// activations of one micro-batch; knows nothing of optimizers, files of text or steps.
//
//   for each step:
//     model.begin_step(ctx)                       packs the weights, zeroes gradients and counts
//     for each micro-batch:
//       model.count_experts(...)                  only if needs_counting_pass() and there are
//       several model.forward_backward(ctx, batch, scale, stats)
//     the optimizer moves weights() by gradients(), the balance rule moves the router bias
#include <memory>
#include <span>
#include <string>

#include "checkpoint/parameter_layout.h"
#include "config/model/model_config.h"
#include "config/run/training_recipe.h"
#include "device/ctx.h"
#include "model/training/rank_part.h"
#include "model/training/step_stats.h"
#include "model/training/training_batch.h"
#include "tensor/view.h"

namespace fathom::model {

class TrainingModel {
 public:
  /// `ctx` says how weights are packed, and is not held. Throws Error{kUnsupported} that lists
  /// everything of config and recipe it refuses; Error{kOutOfMemory} that names what did not fit.
  TrainingModel(const Ctx& ctx, const ModelConfig& config, const TrainingRecipe& recipe,
                i64 micro_sequences, i64 seq_len, const RankPart& part = {});
  ~TrainingModel();

  const ModelConfig& config() const;
  const checkpoint::ParameterLayout& layout() const;
  std::span<float> weights();    // [layout().size()]
  std::span<float> gradients();  // [layout().size()]
  /// Bytes that the model owns: what training_memory() says, without its scratch row.
  i64 allocated_bytes() const;

  /// Matrices from N(0, std^2), norms 1, biases 0; by seed and tensor name alone, as `fathom init`.
  void initialise(Ctx& ctx, double std, u64 seed);

  /// Packs the weights as they are now for the products of a step; zeroes gradients.
  void begin_step(Ctx& ctx);
  /// Packs the weights only: before forward_only after the weights changed.
  void refresh_weights(Ctx& ctx);

  /// True if a balance loss needs the step's expert counts before its first backward pass: then
  /// count_experts runs over every micro-batch first (one more forward pass).
  bool needs_counting_pass() const;
  void count_experts(Ctx& ctx, const TrainingBatch& batch);
  /// What count_experts has counted, [MoE layers * experts] and, last, the sequences: several ranks
  /// add theirs up before the first backward pass.
  std::span<i64> counted() const;

  /// Adds the gradient of this micro-batch's share of the step's loss; adds to `stats`.
  void forward_backward(Ctx& ctx, const TrainingBatch& batch, const LossScale& scale,
                        StepStats& stats);
  /// The losses alone: no gradient, nothing dropped. `stats` gets the expert counts and entropies
  /// of this batch too, for a validation set's load: it must not be the object that a step adds up
  /// and a bias update reads.
  void forward_only(Ctx& ctx, const TrainingBatch& batch, StepStats& stats);
  /// Logits of every main position [sequences * seq_len, vocab], for tests and export checks.
  void forward_logits(Ctx& ctx, const TrainingBatch& batch, View<float, 2> logits);

  // The same a stage at a time, for pipelines (parallel/pipeline.h), which carry x and dx from
  // stage to stage. Several micro-batches are on their way at once, each in a slot of its stage;
  // the views of its batch live until the slot is free.
  std::span<const StageLayers> stages() const;
  /// Slots are made when first needed and kept.
  i64 take_slot(Ctx& ctx, i64 stage, const TrainingBatch& batch);
  void free_slot(i64 slot);
  i64 slot_tokens(i64 slot) const;
  /// The most micro-batches that were on a stage here at once, counted with weight work that waits.
  i64 slots_made(i64 stage) const;
  /// [mtp, tokens, hidden] to be filled before the forward pass of a head's stage that has no
  /// embedding; empty on others.
  View<float, 3> arriving_embeddings(i64 slot);
  /// What fills it, on the embedding's stage. OVERWRITTEN
  void embed_for_head(Ctx& ctx, i64 slot, View<float, 3> rows);
  enum class Dropping { kNone, kAsRecipe };
  ///   x  [tokens, hidden]  f32  of the stage before, becomes this one's; OVERWRITTEN by the first
  /// `stats` nullptr: the pass only counts experts (counted()).
  void stage_forward(Ctx& ctx, i64 slot, View<float, 2> x, StepStats* stats, Dropping dropping);
  /// Of a head's stage: the losses without gradients.
  void stage_losses(Ctx& ctx, i64 slot, StepStats& stats);
  enum class WeightWork { kNow, kLater };
  ///   dx           [tokens, hidden]       of the stage's output, becomes its input's; OVERWRITTEN
  ///                                       by the head's stage
  ///   dembeddings  [mtp, tokens, hidden]  OVERWRITTEN by the head's stage, read by the embedding's
  void stage_backward(Ctx& ctx, i64 slot, const LossScale& scale, StepStats& stats,
                      View<float, 2> dx, View<float, 3> dembeddings, WeightWork weights);
  /// What stage_backward put off.
  void stage_weights(Ctx& ctx, i64 slot);

  /// The router biases of MoE layer `layer` (order of StepStats::expert_counts).
  View<float, 1> router_bias(i64 moe_layer);
  i64 num_moe_layers() const;
  /// "model.layers.3": for tables.
  const std::string& moe_layer_name(i64 moe_layer) const;

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace fathom::model
