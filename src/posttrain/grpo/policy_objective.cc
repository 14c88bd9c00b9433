#include "posttrain/grpo/policy_objective.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "posttrain/grpo/policy_loss.h"
#include "posttrain/grpo/policy_rows.h"

namespace fathom::posttrain {
namespace {

/// Of log pi_old - log pi_rollout over a sample's tokens; 0 while pi_old is not known beforehand.
double mean_drift(const PolicySample& sample) {
  double sum = 0.0;
  for (size_t t = 0; t < sample.old_log_probs.size(); ++t) {
    sum += sample.old_log_probs[t] - sample.rollout_log_probs[t];
  }
  return sum / static_cast<double>(std::max<i64>(1, sample.answer_tokens()));
}

}  // namespace

double PolicyStats::effective_samples() const {
  if (ratio_squares == 0.0) return 1.0;
  return ratio * ratio / (static_cast<double>(drift_targets) * ratio_squares);
}

void PolicyObjective::begin_step(std::span<PolicySample* const> samples) {
  stats_ = {};
  step_tokens_ = step_samples_ = 0;
  for (const PolicySample* sample : samples) {
    if (!sample->kept) continue;
    step_tokens_ += sample->answer_tokens();
    ++step_samples_;
  }
}

void PolicyObjective::begin_batch(std::span<PolicySample* const> samples, i64 seq_len,
                                  std::span<const double> log_ratios) {
  FATHOM_CHECK(log_ratios.empty() || log_ratios.size() == samples.size(), log_ratios.size(),
               " ratios of ", samples.size(), " samples");
  samples_ = samples;
  seq_len_ = seq_len;
  log_ratios_ = log_ratios;
}

void PolicyObjective::note_drift(double difference) {
  ++stats_.drift_targets;
  stats_.drift += std::abs(difference);
  stats_.drift_max = std::max(stats_.drift_max, std::abs(difference));
  const double ratio = std::exp(std::clamp(difference, -20.0, 20.0));
  stats_.drift_outside += ratio < 0.5 || ratio > 2.0 ? 1 : 0;
  stats_.ratio += ratio;
  stats_.ratio_squares += ratio * ratio;
}

/// dL / dnll of a token, and its share of the statistics.
double PolicyObjective::weight_of(PolicySample& sample, i64 token, i64 row, double log_prob) {
  const auto at = static_cast<size_t>(token);
  const double rollout = sample.rollout_log_probs[at];
  const double old = sample.old_log_probs.empty() ? log_prob : sample.old_log_probs[at];
  note_drift(old - rollout);
  if (!sample.kept) return 0.0;
  const double log_ratio = log_prob - old;
  const bool of_sequence = config_.ratio == GrpoRatio::kSequence;
  double ratio_of_loss = log_ratio;
  if (of_sequence) {
    ratio_of_loss = log_ratios_.empty() ? 0.0 : log_ratios_[static_cast<size_t>(row)];
  }
  const Term term = surrogate(ratio_of_loss, sample.advantage, config_.clip_low, config_.clip_high);
  // Each token moves the logarithm of a sequence's ratio by 1 / |o|, and has 1 / |o| of its value;
  // the weights below bring that 1 / |o|.
  double value = term.value, slope = term.slope;
  if (config_.kl_weight > 0.0) {
    const Term kl = kl_term(config_.kl, log_prob, sample.reference_log_probs[at], log_ratio);
    value -= config_.kl_weight * kl.value;
    slope -= config_.kl_weight * kl.slope;
    stats_.kl += kl.value;
  }
  const double off = of_sequence ? mean_drift(sample) : old - rollout;
  const double correction = std::min(std::exp(std::clamp(off, -20.0, 20.0)), config_.ratio_cap);
  const double weight =
      correction * sample_weight(config_.weighing, sample.answer_tokens(), step_tokens_,
                                 step_samples_, config_.max_new_tokens);
  ++stats_.targets;
  stats_.loss -= weight * value;
  stats_.neg_log_prob -= log_prob;
  stats_.clipped_low += term.clipped_low ? 1 : 0;
  stats_.clipped_high += term.clipped_high ? 1 : 0;
  return weight * slope;
}

void PolicyObjective::weigh(i64 first, View<const double, 1> nll, View<float, 1> weights) {
  std::fill_n(weights.data(), weights.dim(0), 0.0f);
  for_each_target(samples_, seq_len_, first, nll.dim(0),
                  [&](PolicySample& sample, i64 token, i64 position) {
                    weights(position - first) = static_cast<float>(
                        weight_of(sample, token, position / seq_len_, -nll(position - first)));
                  });
}

}  // namespace fathom::posttrain
