#pragma once
// Distillation of logits as a stage of a run: a student learns what a teacher thinks of every
// supervised token of samples. What the teacher thinks is computed once, when a run begins, and
// lies in a store (teacher_store.h); the samples are those of sft.
#include <filesystem>
#include <string>
#include <vector>

#include "posttrain/distill/distill_loss.h"
#include "posttrain/distill/teacher_store.h"
#include "posttrain/sft/sft.h"

namespace fathom::posttrain {

/// As load_sft(), and throws Error for a teacher that is not there or has other tokens than the
/// student (the first that differs).
LoadedStage load_distill(const RunConfig& config);

class Distill : public Sft {
 public:
  Distill(SftParts parts, TeacherChoice teacher);

  io::Hash128 fingerprint() const override;
  std::string statistics() const override;
  void begin_run(Ctx& ctx, const train::TrainEvents& events) override;
  void begin_step(Ctx& ctx, const train::StepPlan& plan, model::TrainingModel& model) override;
  void prepare(const data::SequenceBatch& batch, model::TrainingBatch& input) override;
  std::string alone_because() const override { return "\"distill\" asks its teacher on one rank"; }
  void end_step(report::StepMetrics& metrics) override;

 private:
  /// Samples, and where their targets' rows begin in the store.
  struct StoredSet {
    PackedSamples* samples = nullptr;
    std::vector<i64> first_row;  // [samples]
  };
  /// Asks the teacher for what is not stored yet; false: stopped on the way, what it said is
  /// stored.
  bool fill_store(Ctx& ctx, const train::TrainEvents& events) const;
  /// Rows of the store of a batch's positions; -1 where there is no target.
  const std::vector<i64>& rows_of(const StoredSet& set, const data::SequenceBatch& batch);
  /// The divergence on each validation set, with the weights as they are; none if stopped.
  std::vector<report::NamedNumber> measure_held_out();

  TeacherChoice teacher_;
  std::vector<StoredSet> stored_;  // of training, then of validation()
  i64 num_rows_ = 0;
  std::unique_ptr<TeacherStore> store_;  // of a run that has begun
  DistillLoss distill_loss_;
  std::vector<i64> rows_;
  Ctx* ctx_ = nullptr;
  model::TrainingModel* model_ = nullptr;
  std::vector<report::NamedNumber> held_out_;  // before the step
  train::TrainEvents events_;
};

}  // namespace fathom::posttrain
