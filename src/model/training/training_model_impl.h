#pragma once
// Internal to TrainingModel: what it owns.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/training/pass.h"
#include "model/training/training_model.h"
#include "tensor/buffer.h"

namespace fathom::model {

/// The activations of one micro-batch on one stage, from its forward pass to its last gradient.
struct MicroBatchSlot {
  i64 stage = 0;
  bool taken = false;
  Buffer storage;
  training::ModelSaved saved;  // in storage
  TrainingBatch batch;         // its views live as long as the step
  std::vector<i32> lengths;    // [sequences] tokens before the padding; empty: there is none
  // Weight work that waits: what it reads lies in `kept`.
  Workspace kept{Device::kCpu};
  std::optional<Workspace::Scope> kept_scope;
  std::vector<training::BlockWeightWork> work;
};

struct TrainingModel::Impl {
  Impl(const Ctx& ctx, const ModelConfig& config, const TrainingRecipe& recipe, i64 sequences,
       i64 length, const RankPart& part);

  /// A free slot of the stage, made if there is none.
  i64 take_slot(i64 stage);
  MicroBatchSlot& slot(i64 number) { return *slots[static_cast<size_t>(number)]; }
  const StageLayers& stage_of(const MicroBatchSlot& slot) const {
    return stages[static_cast<size_t>(slot.stage)];
  }
  /// The batch's inputs into its slot.
  void set_inputs(Ctx& ctx, MicroBatchSlot& slot, const TrainingBatch& batch);
  training::TrainStep step_of(Ctx& ctx, MicroBatchSlot& slot);
  View<i64, 2> raw_count_view() {
    return {counted.data(), {std::ssize(moe_names), config.n_routed_experts}};
  }
  bool has_batch_loss() const {
    return recipe.balance.batch_aux_loss_weight != 0.0 && !moe_names.empty();
  }

  ModelConfig config;
  TrainingRecipe recipe;
  RankPart part;
  std::vector<StageLayers> stages;
  i64 micro_tokens, seq_len;
  checkpoint::ParameterLayout layout;
  training::Precision precision;
  ops::RopeTable rope;
  Buffer weight_array, gradient_array;
  std::vector<std::unique_ptr<MicroBatchSlot>> slots;
  training::PackedWeights packed;
  training::TrainingModelWeights weights;
  training::ModelGrads gradients;
  std::vector<std::string> moe_names;
  /// [MoE layers, experts] raw top-k of the step so far, and the sequences they are of.
  std::vector<i64> counted;
};

}  // namespace fathom::model
