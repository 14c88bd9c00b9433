#pragma once
// Supervised fine-tuning as a stage of a run.
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "posttrain/loaded_stage.h"
#include "posttrain/sft/packed_samples.h"
#include "posttrain/sft/sample_loss.h"
#include "posttrain/sft/sample_reader.h"
#include "train/stage.h"

namespace fathom::posttrain {

/// Reads and packs the samples of `config`. The result's config has the run's length in tokens if
/// it was given in epochs, isolated documents, and a router bias that stays if it is to be frozen.
/// Throws Error: what load_run_setup refuses, a line that is no sample (file and line), a source
/// with a weight, no sample at all.
LoadedStage load_sft(const RunConfig& config);

/// What a stage on samples is made from.
struct SftParts {
  struct NamedSet {
    std::string name;
    SampleSet set;
  };
  RunConfig config;
  i64 mtp_depth = 0;
  SampleSet train;
  std::vector<std::string> sources;  // names, of the training samples
  std::vector<NamedSet> validation;
  std::string statistics;  // what was read
  std::vector<i64> end_ids;
};

/// The samples of `config`, read. Throws Error as load_sft(), and for a training line with a sample
/// that `check` refuses.
SftParts read_sft_parts(const RunConfig& config, const CheckSample& check = {});

class Sft;
/// load_sft() with another stage on the same samples.
LoadedStage load_on_samples(const RunConfig& config,
                            const std::function<std::unique_ptr<Sft>(SftParts)>& make);

class Sft : public train::Stage {
 public:
  explicit Sft(SftParts parts);

  PackedSamples& samples() { return samples_; }
  /// How many steps the run has, once that is known.
  void set_steps(i64 steps) { steps_ = steps; }

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
  void prepare(const data::SequenceBatch& batch, model::TrainingBatch& input) override;
  std::span<double> sums() override;
  void end_step(report::StepMetrics& metrics) override;

 protected:
  const RunConfig& config() const { return config_; }
  /// Of the micro-batch that was prepared last.
  SampleLoss& loss() { return losses_.at(prepared_ - 1); }
  i64 steps() const { return steps_; }
  /// Of validation(), in its order.
  std::span<const std::unique_ptr<PackedSamples>> sets() const { return sets_; }

 private:
  RunConfig config_;
  i64 mtp_depth_;
  u64 seed_;
  i64 seq_len_;
  PackedSamples samples_;
  std::vector<std::string> sources_;
  std::vector<std::unique_ptr<PackedSamples>> sets_;
  std::vector<train::ValidationText> validation_;  // of sets_
  std::string statistics_;
  std::vector<i64> end_ids_;
  // One for each micro-batch of a step: in a pipeline several are on their way at once.
  std::deque<SampleLoss> losses_;
  size_t prepared_ = 0;
  i64 step_targets_ = 0, step_samples_ = 0;
  double sample_mean_ = 0.0;
  i64 steps_ = 0, step_tokens_ = 0, step_positions_ = 0;
};

}  // namespace fathom::posttrain
