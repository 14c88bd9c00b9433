#include "posttrain/grpo/policy_loss.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace fathom::posttrain {

std::vector<double> group_advantages(std::span<const double> rewards, const std::vector<bool>& kept,
                                     GrpoAdvantage kind) {
  constexpr double kDelta = 1e-4, kAlike = 1e-3;
  FATHOM_CHECK(rewards.size() == kept.size(), rewards.size(), " rewards, ", kept.size(), " marks");
  double sum = 0.0, squares = 0.0;
  const auto count = static_cast<double>(std::ranges::count(kept, true));
  for (size_t i = 0; i < rewards.size(); ++i) sum += kept[i] ? rewards[i] : 0.0;
  const double mean = sum / std::max(1.0, count);
  for (size_t i = 0; i < rewards.size(); ++i) {
    squares += kept[i] ? (rewards[i] - mean) * (rewards[i] - mean) : 0.0;
  }
  const double deviation = count < 2.0 ? 0.0 : std::sqrt(squares / (count - 1.0));
  std::vector<double> advantages(rewards.size(), 0.0);
  if (deviation < kAlike) return advantages;
  const double scale = kind == GrpoAdvantage::kStd ? 1.0 / (deviation + kDelta) : 1.0;
  for (size_t i = 0; i < rewards.size(); ++i) {
    if (kept[i]) advantages[i] = (rewards[i] - mean) * scale;
  }
  return advantages;
}

double sample_weight(GrpoWeighing weighing, i64 tokens, i64 step_tokens, i64 step_samples,
                     i64 max_tokens) {
  const auto inverse = [](i64 count) { return 1.0 / static_cast<double>(std::max<i64>(1, count)); };
  switch (weighing) {
    case GrpoWeighing::kSamples:
      return inverse(step_samples) * inverse(tokens);
    case GrpoWeighing::kConstant:
      return inverse(step_samples) * inverse(max_tokens);
    case GrpoWeighing::kTokens:
      return inverse(step_tokens);
    case GrpoWeighing::kPreset:
      break;
  }
  FATHOM_CHECK(false, "a preset that was not filled in");
  return 0.0;
}

Term surrogate(double log_ratio, double advantage, double low, double high) {
  const double ratio = std::exp(std::clamp(log_ratio, -20.0, 20.0));
  const double free = ratio * advantage;
  const double held = std::clamp(ratio, 1.0 - low, 1.0 + high) * advantage;
  if (free <= held) return {.value = free, .slope = free};
  return {.value = held,
          .slope = 0.0,
          .clipped_low = (advantage < 0.0),
          .clipped_high = (advantage > 0.0)};
}

Term kl_term(KlEstimator kind, double log_prob, double reference, double log_ratio) {
  const double distance = log_prob - reference;
  const double back = std::exp(std::clamp(-distance, -20.0, 20.0));  // ref / pi
  const double k3 = back + distance - 1.0;
  switch (kind) {
    case KlEstimator::kK1:
      return {.value = distance, .slope = 1.0};
    case KlEstimator::kK2:
      return {.value = 0.5 * distance * distance, .slope = distance};
    case KlEstimator::kK3:
      return {.value = k3, .slope = 1.0 - back};
    case KlEstimator::kK3Ratio:
      break;
  }
  const double ratio = std::exp(std::clamp(log_ratio, -20.0, 20.0));
  return {.value = ratio * k3, .slope = ratio * (k3 + 1.0 - back)};
}

double overlong_penalty(i64 tokens, i64 max_tokens, i64 buffer, bool truncated) {
  if (buffer == 0) return 0.0;
  if (truncated) return -1.0;
  const auto over = static_cast<double>(tokens - (max_tokens - buffer));
  return -std::clamp(over / static_cast<double>(buffer), 0.0, 1.0);
}

}  // namespace fathom::posttrain
