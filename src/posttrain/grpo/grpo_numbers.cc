// What a step of reinforcement learning says of itself. Names after TRL's and verl's where they
// have one; docs/posttraining.md explains each.
#include <algorithm>
#include <cmath>

#include "posttrain/grpo/grpo.h"

namespace fathom::posttrain {
namespace {

/// Mean over samples of a number of each.
template <typename Number>
double mean(std::span<PolicySample* const> samples, Number number) {
  double sum = 0.0;
  for (const PolicySample* sample : samples) sum += static_cast<double>(number(*sample));
  return sum / static_cast<double>(std::max<size_t>(1, samples.size()));
}

struct Groups {
  double solved = 0.0, alike = 0.0;  // shares of the groups
};

/// Samples of a group have equal `group`; the order is any.
Groups groups_of(std::span<PolicySample* const> samples, i64 group_size) {
  std::vector<const PolicySample*> sorted(samples.begin(), samples.end());
  std::ranges::stable_sort(sorted, {}, [](const PolicySample* s) { return s->group; });
  Groups groups;
  const auto size = static_cast<size_t>(group_size);
  const double one = static_cast<double>(size) / static_cast<double>(sorted.size());
  for (size_t first = 0; first < sorted.size(); first += size) {
    const auto group = std::span(sorted).subspan(first, size);
    const auto right = [](const PolicySample* s) { return s->reward.is_right; };
    const auto no_advantage = [](const PolicySample* s) { return s->advantage == 0.0; };
    if (std::ranges::any_of(group, right)) groups.solved += one;
    if (std::ranges::all_of(group, no_advantage)) groups.alike += one;
  }
  return groups;
}

/// By layer, of the pairs of a token and an expert: the pass itself would have chosen others.
std::vector<double> changed_routes(const model::RouteReplay& replay) {
  std::vector<double> shares;
  for (const i64 changed : replay.changed) {
    shares.push_back(static_cast<double>(changed) / static_cast<double>(replay.pairs));
  }
  return shares;
}

}  // namespace

void Grpo::add_sample_numbers(report::StepMetrics& metrics) const {
  const std::span<PolicySample* const> samples = step_samples_;
  const auto add = [&](const char* name, double value) { metrics.stage.emplace_back(name, value); };
  const double reward = mean(samples, [](const auto& s) { return s.reward.total; });
  const Groups groups = groups_of(samples, grpo_.group_size);
  add("reward", reward);
  add("reward_std", std::sqrt(mean(samples, [&](const auto& s) {
        return (s.reward.total - reward) * (s.reward.total - reward);
      })));
  add("pass_at_1", mean(samples, [](const auto& s) { return s.reward.is_right; }));
  add("pass_at_group", groups.solved);
  add("reward_zero_std", groups.alike);
  const RewardConfig& parts = parts_.config.reward;
  add("reward/accuracy", mean(samples, [](const auto& s) { return s.reward.accuracy; }));
  if (parts.format > 0) {
    add("reward/format", mean(samples, [](const auto& s) { return s.reward.format; }));
  }
  if (parts.language > 0) {
    add("reward/language", mean(samples, [](const auto& s) { return s.reward.language; }));
  }
  if (parts.code > 0) {
    add("reward/code", mean(samples, [](const auto& s) { return s.reward.code; }));
  }
  if (parts.overlong_buffer > 0) {
    add("reward/overlong", mean(samples, [](const auto& s) { return s.reward.overlong; }));
  }
  const auto [least, most] =
      std::ranges::minmax(samples, {}, [](const PolicySample* s) { return s->answer_tokens(); });
  add("length/mean", mean(samples, [](const auto& s) { return s.answer_tokens(); }));
  add("length/min", static_cast<double>(least->answer_tokens()));
  add("length/max", static_cast<double>(most->answer_tokens()));
  add("truncated", mean(samples, [](const auto& s) { return s.truncated; }));
}

void Grpo::add_loss_numbers(report::StepMetrics& metrics) const {
  const PolicyStats& stats = loss_.stats();
  const auto add = [&](const char* name, double value) { metrics.stage.emplace_back(name, value); };
  const auto targets = static_cast<double>(std::max<i64>(1, stats.targets));
  const auto drifted = static_cast<double>(std::max<i64>(1, stats.drift_targets));
  add("policy_loss", stats.loss);
  add("entropy", stats.neg_log_prob / targets);
  if (grpo_.kl_weight > 0.0) add("kl", stats.kl / targets);
  if (steps_per_rollout() > 1) {
    add("clip/low", static_cast<double>(stats.clipped_low) / targets);
    add("clip/high", static_cast<double>(stats.clipped_high) / targets);
  }
  add("drift/mean", stats.drift / drifted);
  add("drift/max", stats.drift_max);
  add("drift/outside", static_cast<double>(stats.drift_outside) / drifted);
  add("drift/effective_samples", stats.effective_samples());
  if (replay_.pairs > 0) {
    const std::vector<double> shares = changed_routes(replay_);
    double sum = 0.0;
    for (size_t layer = 0; layer < shares.size(); ++layer) {
      const std::string& name = model_->moe_layer_name(static_cast<i64>(layer));
      metrics.stage.emplace_back("routes/" + name, shares[layer]);
      sum += shares[layer];
    }
    add("routes/changed", sum / static_cast<double>(shares.size()));
  }
  if (rollout_s_ > 0.0) {
    if (grpo_.refill > 0) add("rollout/groups", static_cast<double>(groups_drawn_));
    add("rollout/tokens_per_s", static_cast<double>(rollout_tokens_) / rollout_s_);
    add("rollout/seconds", rollout_s_);
  }
}

}  // namespace fathom::posttrain
