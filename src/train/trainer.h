#pragma once
// One optimizer step after another. Knows nothing of files: run.h puts it between text, checkpoints
// and reports.
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "model/training/memory/training_memory.h"
#include "model/training/training_model.h"
#include "parallel/block_exchange.h"
#include "parallel/pipeline.h"
#include "parallel/ranks.h"
#include "report/metrics/metrics.h"
#include "train/checkpoint/trainer_state.h"
#include "train/optimizer.h"
#include "train/run/setup.h"
#include "train/stage.h"
#include "train/validation.h"

namespace fathom::train {

class Trainer {
 public:
  /// `text_bytes` of each id; it, the stage, the setup and `world` must outlive this. `world`: the
  /// ranks that train together, which all do the same calls; nullptr: this one alone. Weights are
  /// not initialised. Throws Error{kUnsupported | kOutOfMemory}.
  Trainer(const Ctx& ctx, const RunSetup& setup, Stage& stage, std::span<const i32> text_bytes,
          i64 micro_batch_sequences, comm::Comm* world = nullptr);

  /// The step behind state().step, in this order: what the stage does first, forward and
  /// backward of every micro-batch, the sum of gradients over ranks, the norm of all, clip, AdamW,
  /// the router's bias, the average. A loss or a norm that is not finite on any rank skips
  /// everything from the clip on, on all; `skipped` says so, with the samples. Deterministic: equal
  /// state gives equal bits for any number of threads. The metrics are of all ranks.
  report::StepMetrics step(Ctx& ctx, parallel::StepTrace* trace = nullptr);
  /// Scores every validation set with the weights as they are. Nothing if it was stopped between
  /// two micro-batches.
  std::optional<std::vector<report::ValidationMetrics>> validate(
      Ctx& ctx, const std::function<bool()>& stop_requested);

  TrainerState& state() { return state_; }
  const TrainerState& state() const { return state_; }
  model::TrainingModel& model() { return model_; }
  Optimizer& optimizer() { return optimizer_; }
  const parallel::Shards& shards() const { return shards_; }
  /// Of this rank, with as many micro-batches at once as its schedule has.
  model::TrainingMemory memory(const Ctx& ctx);
  parallel::Ranks& ranks() { return ranks_; }
  const Stage& stage() const { return stage_; }

 private:
  /// Reads this rank's share of the step's sequences, a batch for each micro-batch; as many on all
  /// ranks, so that some may be empty. Counts targets and bytes of all ranks.
  TargetCount read_batches(const StepPlan& plan);
  void sum_gradients(Ctx& ctx);
  /// Throws Error{kIo} if ranks that hold the same weights do not.
  void check_replicas();
  /// How long each rank of the step computed and waited, among the step's numbers.
  void add_rank_times(const comm::Traffic& before, double seconds, report::StepMetrics& metrics);
  /// The range of every router's bias, from the ranks that hold it.
  void complete_loads(std::vector<report::LayerLoad>& loads);
  /// Returns what is not finite, with the samples; empty if all is.
  std::string accumulate(Ctx& ctx, const StepPlan& plan, i64 targets, parallel::StepTrace* trace);
  void update(Ctx& ctx, const StepPlan& plan, double norm, parallel::StepTrace* trace);
  report::StepMetrics metrics_of(const StepPlan& plan, const TargetCount& count, double norm) const;
  /// "samples 24 to 31 (code 5, prose 3)".
  std::string describe_samples(std::span<const data::SequenceBatch> batches) const;
  std::span<const data::SequenceBatch> batches() const {
    return std::span(batches_).first(static_cast<size_t>(num_batches_));
  }
  model::TrainingBatch batch_of(const data::SequenceBatch& batch) const;

  std::optional<comm::Comm> alone_;  // without `world`
  parallel::Ranks ranks_;
  const RunSetup& setup_;
  Stage& stage_;
  std::span<const i32> text_bytes_;
  model::TrainingModel model_;
  parallel::Shards shards_;
  parallel::Pipeline pipeline_;
  parallel::OwnerExchange owners_;
  std::optional<parallel::GradientTrees> trees_;  // of reduction any-layout
  Optimizer optimizer_;
  TrainerState state_;
  model::StepStats stats_;
  std::vector<data::SequenceBatch> batches_;  // of one step; memory is kept from step to step
  i64 num_batches_ = 0;
};

}  // namespace fathom::train
