#pragma once
// Supervised fine-tuning as a stage of a run.
#include <memory>
#include <string>
#include <vector>

#include "posttrain/loaded_stage.h"
#include "posttrain/sft/packed_samples.h"
#include "posttrain/sft/sample_loss.h"
#include "train/stage.h"

namespace fathom::posttrain {

/// Reads and packs the samples of `config`. The result's config has the run's length in tokens if
/// it was given in epochs, isolated documents, and a router bias that stays if it is to be frozen.
/// Throws Error: what load_run_setup refuses, a line that is no sample (file and line), a source
/// with a weight, no sample at all.
LoadedStage load_sft(const RunConfig& config);

class Sft : public train::Stage {
 public:
  struct NamedSet {
    std::string name;
    SampleSet set;
  };
  /// `sources` names the sources of the training samples; `statistics` is what was read.
  Sft(const RunConfig& config, i64 mtp_depth, SampleSet train, std::vector<std::string> sources,
      std::vector<NamedSet> validation, std::string statistics, std::vector<i64> end_ids);

  PackedSamples& samples() { return samples_; }

  void read(data::SampleRange range, data::SequenceBatch& batch) override {
    samples_.read(range, mtp_depth_, batch);
  }
  std::string_view source_name(i32 source) const override {
    return sources_.at(static_cast<size_t>(source));
  }
  std::span<const train::ValidationText> validation() const override { return validation_; }
  io::Hash128 fingerprint() const override;
  std::string statistics() const override;
  std::vector<i64> end_ids() const override { return end_ids_; }
  void begin_step(Ctx& ctx, const train::StepPlan& plan, model::TrainingModel& model) override;
  model::TokenObjective* objective(const data::SequenceBatch& batch) override;
  std::span<double> sums() override { return {&loss_.sample_mean(), 1}; }
  /// In a pipeline several micro-batches are on their way at once, each with weights of its own.
  std::string alone_because(const ParallelConfig& parallel) const override;
  void end_step(report::StepMetrics& metrics) override;

 private:
  SftConfig config_;
  i64 mtp_depth_;
  u64 seed_;
  i64 seq_len_;
  PackedSamples samples_;
  std::vector<std::string> sources_;
  std::vector<std::unique_ptr<PackedSamples>> sets_;
  std::vector<train::ValidationText> validation_;  // of sets_
  std::string statistics_;
  std::vector<i64> end_ids_;
  SampleLoss loss_;
  i64 step_tokens_ = 0, step_positions_ = 0;
};

}  // namespace fathom::posttrain
