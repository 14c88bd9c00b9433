#pragma once
// Reinforcement learning by groups (GRPO) as a stage of a run. A step, in this order: at the
// beginning of a rollout the policy answers its prompts (rollout.h), rewards are given, and where
// they are needed log-probabilities are computed by the training pass; then the run's own step
// over the samples' rows, weighed by PolicyObjective.
#include <memory>
#include <string>
#include <vector>

#include "posttrain/grpo/policy_objective.h"
#include "posttrain/grpo/policy_rows.h"
#include "posttrain/grpo/prompt_set.h"
#include "posttrain/grpo/rollout.h"
#include "posttrain/grpo/sample_log.h"
#include "posttrain/loaded_stage.h"

namespace fathom::posttrain {

/// Reads the prompts of `config`. The result's config has every key of [grpo] that was left to the
/// preset, and a batch of prompts * group_size. Throws Error: what load_run_setup refuses, a line
/// that is no prompt or has no answer that could be judged (file and line), a length in tokens.
LoadedStage load_grpo(const RunConfig& config);

/// What the stage is made from.
struct GrpoParts {
  RunConfig config;  // resolved
  i64 mtp_depth = 0;
  std::unique_ptr<tokenizer::Tokenizer> tokenizer;
  std::unique_ptr<Rewarder> rewarder;
  std::vector<Prompt> prompts;
  struct HeldOut {
    std::string name;
    std::vector<Prompt> prompts;
  };
  std::vector<HeldOut> held_out;
  std::vector<i64> end_ids;   // of the chat template
  std::vector<i32> stop_ids;  // these, and data.eos_token
  std::string statistics;
};

class Grpo : public train::Stage {
 public:
  explicit Grpo(GrpoParts parts);

  void read(data::SampleRange range, data::SequenceBatch& batch) override;
  std::string_view source_name(i32) const override { return "rollouts"; }
  std::span<const train::ValidationText> validation() const override { return {}; }
  io::Hash128 fingerprint() const override;
  std::string statistics() const override;
  std::vector<i64> end_ids() const override { return parts_.end_ids; }
  void begin_step(Ctx& ctx, const train::StepPlan& plan, model::TrainingModel& model) override;
  void prepare(const data::SequenceBatch& batch, model::TrainingBatch& input) override;
  std::string alone_because() const override { return "\"grpo\" makes its rollouts on one rank"; }
  void end_step(report::StepMetrics& metrics) override;

 private:
  using Member = LogProbRecorder::Member;
  i64 steps_per_rollout() const { return grpo_.minibatches * grpo_.inner_epochs; }
  RolloutConfig rollout_config() const;
  /// The prompts [first, first + count) of the rollout's own stretch of them.
  std::vector<RolloutPrompt> prompts_of(i64 rollout, i64 first, i64 count) const;
  /// Groups in their place: those of the first round, without advantage replaced as far as
  /// grpo.refill reaches.
  void draw_groups(i64 rollout);
  bool has_experts() const { return model_->config().has_experts(); }
  /// Of samples in rows of seq_len tokens; nullptr: there is nothing to replay.
  model::RouteReplay* routes_of(std::span<const PolicySample* const> samples, i64 seq_len);
  void take_up(i64 first_step);
  void make_rollout(i64 step);
  void judge(std::vector<PolicySample>& samples, const std::vector<Prompt>& prompts) const;
  enum class Routes { kLive, kOfRollout };
  void score(std::span<PolicySample> samples, Member member, Routes routes);
  void score_reference(std::span<PolicySample> samples);
  void load_reference(i64 first_step);
  void replace_reference(i64 step);
  /// Mean log-ratio of each sample as the policy is now.
  void find_log_ratios(std::span<PolicySample* const> samples);
  void choose_samples(i64 phase);
  std::span<PolicySample* const> samples_of(const data::SequenceBatch& batch) const;
  void measure_held_out();
  void add_sample_numbers(report::StepMetrics& metrics) const;
  void add_loss_numbers(report::StepMetrics& metrics) const;

  GrpoParts parts_;
  GrpoConfig grpo_;
  SampleLog log_;
  PolicyObjective loss_;

  // Of the step in progress.
  Ctx* ctx_ = nullptr;
  model::TrainingModel* model_ = nullptr;
  i64 first_sample_ = 0;
  std::vector<PolicySample*> step_samples_;  // the longest first
  std::vector<double> log_ratios_;
  std::vector<report::NamedNumber> held_out_;

  std::unique_ptr<model::Model> policy_;  // the weights in training, by pointer
  std::vector<PolicySample> samples_;     // of the present rollout
  std::vector<float> reference_;          // weights; empty without a reference
  double rollout_s_ = 0.0, step_begin_s_ = 0.0;
  i64 rollout_tokens_ = 0, groups_drawn_ = 0;
  model::RouteReplay replay_;
  std::vector<i32> replay_ids_;  // that replay_ views
};

}  // namespace fathom::posttrain
