#pragma once
#include <span>

#include "config/run/grpo_config.h"
#include "model/training/training_batch.h"
#include "posttrain/grpo/policy_sample.h"

namespace fathom::posttrain {

/// What the loss saw of a step, summed over its targets that count.
struct PolicyStats {
  i64 targets = 0;
  double loss = 0.0;
  double kl = 0.0, neg_log_prob = 0.0;  // sums
  i64 clipped_low = 0, clipped_high = 0;
  // Training's log-probabilities against the rollout's, of the same weights.
  i64 drift_targets = 0;
  double drift = 0.0, drift_max = 0.0;      // sum and largest of |difference|
  i64 drift_outside = 0;                    // ratios outside [0.5, 2]
  double ratio = 0.0, ratio_squares = 0.0;  // sums of pi_train / pi_rollout
  /// (sum of ratios)^2 / (n sum of squares): 1 if all tokens count alike.
  double effective_samples() const;
};

/// The policy's loss over the samples of a step, micro-batch by micro-batch.
class PolicyObjective : public model::TokenObjective {
 public:
  explicit PolicyObjective(const GrpoConfig& config) : config_(config) {}

  /// `samples` of the whole step. Those without old_log_probs were drawn with the weights as they
  /// are: what the pass makes of them is their own old log-probability.
  void begin_step(std::span<PolicySample* const> samples);
  /// With a sequence ratio and old_log_probs the mean log-ratio of each sample must be known
  /// before: `log_ratios` [rows].
  void begin_batch(std::span<PolicySample* const> samples, i64 seq_len,
                   std::span<const double> log_ratios = {});
  void weigh(i64 first, View<const double, 1> nll, View<float, 1> weights) override;
  double temperature() const override { return config_.temperature; }

  const PolicyStats& stats() const { return stats_; }

 private:
  double weight_of(PolicySample& sample, i64 token, i64 row, double log_prob);
  void note_drift(double difference);

  GrpoConfig config_;
  i64 step_tokens_ = 0, step_samples_ = 0;
  std::span<PolicySample* const> samples_;
  std::span<const double> log_ratios_;
  i64 seq_len_ = 1;
  PolicyStats stats_;
};

}  // namespace fathom::posttrain
