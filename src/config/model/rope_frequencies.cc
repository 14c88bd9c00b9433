#include "config/model/rope_frequencies.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/check.h"

namespace fathom {
namespace {

constexpr double kTurn = 2.0 * std::numbers::pi;

void apply_yarn(const ModelConfig& config, std::vector<double>& frequency) {
  auto [low, high] = yarn_ramp(config);
  if (low == high) high += 0.001;  // a step, without dividing by 0
  for (size_t i = 0; i < frequency.size(); ++i) {
    const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    const double scaled = frequency[i] / config.rope_scaling->factor;
    frequency[i] = scaled * ramp + frequency[i] * (1.0 - ramp);
  }
}

void apply_llama3(const RopeScaling& scaling, std::vector<double>& frequency) {
  const auto context = static_cast<double>(scaling.original_max_position_embeddings);
  for (double& f : frequency) {
    const double turns = context * f / kTurn;  // within the original context
    if (turns > scaling.high_freq_factor) continue;
    if (turns < scaling.low_freq_factor) {
      f /= scaling.factor;
      continue;
    }
    const double smooth =
        (turns - scaling.low_freq_factor) / (scaling.high_freq_factor - scaling.low_freq_factor);
    f = (1.0 - smooth) * f / scaling.factor + smooth * f;
  }
}

}  // namespace

double yarn_mscale(double factor, double mscale) {
  return factor > 1.0 ? 0.1 * mscale * std::log(factor) + 1.0 : 1.0;
}

double yarn_correction(const ModelConfig& config, double rotations) {
  FATHOM_CHECK(config.rope_scaling.has_value(), "the config has no rope_scaling");
  const auto original = static_cast<double>(config.rope_scaling->original_max_position_embeddings);
  return static_cast<double>(config.rope_dim()) * std::log(original / (rotations * kTurn)) /
         (2.0 * std::log(config.rope_theta));
}

YarnRamp yarn_ramp(const ModelConfig& config) {
  FATHOM_CHECK(config.rope_scaling.has_value(), "the config has no rope_scaling");
  const RopeScaling& scaling = *config.rope_scaling;
  return {
      .low = std::max(std::floor(yarn_correction(config, scaling.beta_fast)), 0.0),
      .high = std::min(std::ceil(yarn_correction(config, scaling.beta_slow)),
                       static_cast<double>(config.rope_dim() - 1)),
  };
}

std::vector<double> rope_frequencies(const ModelConfig& config) {
  const i64 dim = config.rope_dim();
  std::vector<double> frequency(static_cast<size_t>(dim / 2));
  for (size_t i = 0; i < frequency.size(); ++i) {
    frequency[i] =
        std::pow(config.rope_theta, -2.0 * static_cast<double>(i) / static_cast<double>(dim));
  }
  if (!config.rope_scaling) return frequency;
  switch (config.rope_scaling->type) {
    case RopeType::kYarn:
      apply_yarn(config, frequency);
      break;
    case RopeType::kLlama3:
      apply_llama3(*config.rope_scaling, frequency);
      break;
    case RopeType::kLinear:
      for (double& f : frequency) f /= config.rope_scaling->factor;
      break;
  }
  return frequency;
}

float rope_cos_sin_factor(const ModelConfig& config) {
  if (!config.rope_scaling || config.rope_scaling->type != RopeType::kYarn) return 1.0f;
  const RopeScaling& scaling = *config.rope_scaling;
  double factor = yarn_mscale(scaling.factor, 1.0);
  if (scaling.attention_factor) {
    factor = *scaling.attention_factor;
  } else if (scaling.mscale != 0.0 && scaling.mscale_all_dim != 0.0) {
    factor = yarn_mscale(scaling.factor, scaling.mscale) /
             yarn_mscale(scaling.factor, scaling.mscale_all_dim);
  }
  return static_cast<float>(factor);
}

}  // namespace fathom
