#pragma once
// Distillation on the student's own answers (GKD, arXiv 2306.13649): of each step's samples a share
// distill.on_policy has its last answer written by the student, and the teacher says what it thinks
// of every token of it. The other samples are learnt as they stand, by all their marks. A row of a
// batch is one sample.
#include <memory>
#include <string>
#include <vector>

#include "posttrain/distill/distill_loss.h"
#include "posttrain/distill/teacher.h"
#include "posttrain/grpo/policy_sample.h"
#include "posttrain/grpo/rollout.h"
#include "posttrain/grpo/sample_log.h"
#include "posttrain/sft/sft.h"

namespace fathom::posttrain {

/// What the stage is made from.
struct OnPolicyParts {
  SftParts samples;  // its config has steps and a micro-batch
  TeacherChoice teacher;
  std::unique_ptr<tokenizer::Tokenizer> tokenizer;
  std::vector<i32> stop_ids;
};

/// Of a run file with distill.on_policy above 0. Throws Error: as load_distill(), a key that this
/// stage cannot have, a prompt that leaves no room for an answer.
OnPolicyParts read_on_policy(const RunConfig& config);

class OnPolicyDistill : public train::Stage {
 public:
  explicit OnPolicyDistill(OnPolicyParts parts);

  void read(data::SampleRange range, data::SequenceBatch& batch) override;
  std::string_view source_name(i32 source) const override {
    return parts_.samples.sources.at(static_cast<size_t>(source));
  }
  std::span<const train::ValidationText> validation() const override { return {}; }
  io::Hash128 fingerprint() const override;
  std::string statistics() const override;
  std::vector<i64> end_ids() const override { return parts_.samples.end_ids; }
  void begin_run(Ctx& ctx, const train::TrainEvents& events) override;
  void begin_step(Ctx& ctx, const train::StepPlan& plan, model::TrainingModel& model) override;
  void prepare(const data::SequenceBatch& batch, model::TrainingBatch& input) override;
  std::string alone_because() const override { return "\"distill\" asks its teacher on one rank"; }
  void end_step(report::StepMetrics& metrics) override;

  /// The sample with its last answer to be written; what follows that is left out.
  static PolicySample last_answer(const SampleSet& set, i64 number);
  /// The sample with all its marks: the prompt ends before the first one.
  static PolicySample as_it_stands(const SampleSet& set, i64 number);

 protected:
  /// The student's answers to the prompts of `samples`, in their place.
  virtual void answer(Ctx& ctx, std::span<PolicySample* const> samples);

 private:
  /// Samples with the teacher's rows of their targets, from first_row on.
  struct Judged {
    std::vector<PolicySample> samples;
    std::vector<i64> first_row;  // by PolicySample::group, the sample's number here
    TeacherMemory rows;
  };
  const RunConfig& config() const { return parts_.samples.config; }
  void draw_samples(const train::StepPlan& plan);
  /// What the teacher thinks of the sample's targets, behind `rows`.
  void ask(const PolicySample& sample, TeacherMemory& rows);
  void begin_batch(const Judged& judged, std::span<PolicySample* const> samples,
                   const data::SequenceBatch& batch, DistillLoss& loss, SampleLoss& weights);
  void write_samples(i64 step) const;
  /// Of each validation set, with the weights as they are; none if stopped.
  std::vector<report::NamedNumber> measure_held_out();
  void add_answer_numbers(report::StepMetrics& metrics) const;

  OnPolicyParts parts_;
  SampleLog log_;
  std::unique_ptr<Teacher> teacher_;      // of a run that has begun
  std::vector<Judged> held_out_;          // of the validation sets
  std::unique_ptr<model::Model> policy_;  // the weights in training, by pointer

  // Of the step in progress.
  Ctx* ctx_ = nullptr;
  model::TrainingModel* model_ = nullptr;
  i64 first_sample_ = 0;
  Judged step_;
  std::vector<PolicySample*> ordered_;  // the longest first
  std::vector<bool> is_own_;            // by group: the student wrote it
  double rollout_s_ = 0.0, teacher_s_ = 0.0;
  SampleLoss weights_;
  DistillLoss loss_;
  std::vector<i64> rows_;                    // of a batch's positions; -1 where there is no target
  std::vector<report::NamedNumber> before_;  // held out, before the step
  train::TrainEvents events_;
};

}  // namespace fathom::posttrain
