#pragma once
// One optimizer step after another. Knows nothing of files: run.h puts it between text, checkpoints
// and reports.
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "model/training/training_model.h"
#include "report/metrics/metrics.h"
#include "train/checkpoint/trainer_state.h"
#include "train/optimizer.h"
#include "train/run_setup.h"
#include "train/stage.h"
#include "train/validation.h"

namespace fathom::train {

class Trainer {
 public:
  /// `text_bytes` of each id; it, the stage and the setup must outlive this. Weights are not
  /// initialised. Throws Error{kUnsupported | kOutOfMemory}.
  Trainer(const Ctx& ctx, const RunSetup& setup, Stage& stage, std::span<const i32> text_bytes,
          i64 micro_batch_sequences);

  /// The step behind state().step, in this order: what the stage does first, forward and backward of every micro-batch, the
  /// norm of all gradients, clip, AdamW, the router's bias, the average. A loss or a norm that is
  /// not finite skips everything from the clip on; `skipped` says so, with the samples.
  /// Deterministic: equal state gives equal bits for any number of threads.
  report::StepMetrics step(Ctx& ctx);
  /// Scores every validation set with the weights as they are. Nothing if it was stopped between
  /// two micro-batches.
  std::optional<std::vector<report::ValidationMetrics>> validate(
      Ctx& ctx, const std::function<bool()>& stop_requested);

  TrainerState& state() { return state_; }
  const TrainerState& state() const { return state_; }
  model::TrainingModel& model() { return model_; }
  Optimizer& optimizer() { return optimizer_; }
  const Stage& stage() const { return stage_; }

 private:
  /// Reads the step's sequences, a batch for each micro-batch; counts targets and bytes.
  TargetCount read_batches(const StepPlan& plan);
  /// Returns what is not finite, with the samples; empty if all is.
  std::string accumulate(Ctx& ctx, const StepPlan& plan, i64 targets);
  void update(Ctx& ctx, const StepPlan& plan, double norm);
  report::StepMetrics metrics_of(const StepPlan& plan, const TargetCount& count, double norm) const;
  /// "samples 24 to 31 (code 5, prose 3)".
  std::string describe_samples(std::span<const data::SequenceBatch> batches) const;
  std::span<const data::SequenceBatch> batches() const {
    return std::span(batches_).first(static_cast<size_t>(num_batches_));
  }
  model::TrainingBatch batch_of(const data::SequenceBatch& batch) const;

  const RunSetup& setup_;
  Stage& stage_;
  std::span<const i32> text_bytes_;
  model::TrainingModel model_;
  Optimizer optimizer_;
  TrainerState state_;
  model::StepStats stats_;
  std::vector<data::SequenceBatch> batches_;  // of one step; memory is kept from step to step
  i64 num_batches_ = 0;
};

}  // namespace fathom::train
