#include "config/run/grpo_config.h"

#include <fmt/format.h>

namespace fathom {
namespace {

/// A published variant; posttraining's sources are in docs/posttraining.md.
struct Variant {
  GrpoWeighing weighing;
  GrpoAdvantage advantage;
  GrpoRatio ratio;
  double clip_low, clip_high, kl_weight;
  i64 group_size, minibatches;
  i64 refill = 0;
};

constexpr Variant variant_of(GrpoPreset preset) {
  using enum GrpoPreset;
  constexpr auto kTokens = GrpoWeighing::kTokens, kSamples = GrpoWeighing::kSamples;
  constexpr auto kStd = GrpoAdvantage::kStd, kMean = GrpoAdvantage::kMean;
  constexpr auto kToken = GrpoRatio::kToken;
  switch (preset) {
    case kDeepSeekMath:
      return {kSamples, kStd, kToken, 0.2, 0.2, 0.04, 64, 1};
    case kR1Zero:  // only the upper side of 10 can bind: a ratio is not below 0
      return {kSamples, kStd, kToken, 10.0, 10.0, 0.001, 16, 16};
    case kDapo:
      return {kTokens, kStd, kToken, 0.2, 0.28, 0.0, 16, 16, 9};
    case kDrGrpo:
      return {GrpoWeighing::kConstant, kMean, kToken, 0.2, 0.2, 0.0, 8, 1};
    case kGspo:
      return {kSamples, kStd, GrpoRatio::kSequence, 3e-4, 4e-4, 0.0, 16, 4};
    case kNanochat:
      return {kTokens, kMean, kToken, 0.2, 0.2, 0.0, 16, 1};
    case kFathom:
      break;
  }
  return {kTokens, kStd, kToken, 0.2, 0.28, 0.0, 16, 1};
}

}  // namespace

void RewardConfig::list_fields(FieldList& list) {
  list.add("answer", answer, kAnswerPlaceNames,
           "where the result stands: the whole text, behind the last reward.mark, in the last "
           "\\boxed{}, in <answer></answer>");
  list.add("mark", mark, "what stands before the result, of answer = \"behind-mark\"");
  list.add("accuracy", accuracy, "weight of a right result", {.min = 0});
  list.add("format", format, "weight of <think>...</think><answer>...</answer>, both not empty",
           {.min = 0});
  list.add("language", language, "weight of the share of reasoning in reward.target_language",
           {.min = 0});
  list.add("target_language", target_language, "en or zh");
  list.add("code", code, "weight of a program that passes the line's tests in the sandbox",
           {.min = 0});
  list.add("random", random, "weight of a fair coin: a control that must teach nothing",
           {.min = 0});
  list.add("overlong_buffer", overlong_buffer,
           "DAPO: from so many tokens before grpo.max_new_tokens on the reward falls to -1; 0: not",
           {.min = 0});
  list.add("join", join, kRewardJoinNames,
           "sum of the parts, or product: nothing counts unless the form is right");
}

void RewardConfig::check(const std::string& prefix, Problems& problems) const {
  if (answer == AnswerPlace::kBehindMark && mark.empty()) {
    problems.invalid(prefix + "mark", "missing: answer = \"behind-mark\" needs it");
  }
  if (language > 0.0 && target_language != "en" && target_language != "zh") {
    problems.unsupported(prefix + "target_language",
                         fmt::format("\"{}\"; en and zh are told apart", target_language));
  }
  if (join == RewardJoin::kProduct && format == 0.0) {
    problems.invalid(prefix + "join", "product needs a weight in reward.format");
  }
}

void GrpoConfig::list_fields(FieldList& list) {
  list.add("preset", preset, kGrpoPresetNames,
           "the published variant that fills what is left to it below");
  list.add("prompts", prompts, "prompts a step; a step has prompts * group_size samples (R1: 32)",
           {.min = 1, .max = 65536});
  list.add("group_size", group_size, "samples of a prompt; 0: the preset's",
           {.min = 0, .max = 65536});
  list.add("max_new_tokens", max_new_tokens, "longest sample", {.min = 1, .max = 1 << 20});
  list.add("minibatches", minibatches,
           "steps that one rollout's samples are cut into; 0: the preset's",
           {.min = 0, .max = 65536});
  list.add("inner_epochs", inner_epochs, "times that a rollout's samples are gone through",
           {.min = 1, .max = 64});
  list.add("weighing", weighing, kGrpoWeighingNames,
           "what a token weighs: 1/sum|o|, 1/(N|o_i|) or 1/(N L_max)");
  list.add("advantage", advantage, kGrpoAdvantageNames,
           "divided by the group's standard deviation, or not");
  list.add("ratio", ratio, kGrpoRatioNames, "of each token, or one for the sample");
  list.add("clip_low", clip_low, "epsilon below; -1: the preset's", {.min = -1, .max = 1e6});
  list.add("clip_high", clip_high, "epsilon above; -1: the preset's", {.min = -1, .max = 1e6});
  list.add("kl_weight", kl_weight, "beta; 0: there is no reference; -1: the preset's",
           {.min = -1, .max = 1e6});
  list.add("kl", kl, kKlEstimatorNames, "estimator of the distance to the reference");
  list.add("ratio_cap", ratio_cap,
           "of training's probability over the rollout's, which corrects each token", {.min = 1});
  list.add("truncated", truncated, kGrpoTruncatedNames,
           "samples cut by max_new_tokens: reward 0, or out of loss and group");
  list.add("max_drift", max_drift,
           "mean difference of training's and the rollout's log-probabilities that ends the run",
           {.min = 0});
  list.add("route_replay", route_replay,
           "a mixture of experts trains on the experts that the rollout chose");
  list.add("temperature", temperature,
           "of the rollout's draws; training's logits are divided by it too",
           {.min = 0.05, .max = 10});
  list.add("reference_every", reference_every,
           "steps after which the reference becomes the policy as it is; 0: never (R1-Zero: 400)",
           {.min = 0});
  list.add("refill", refill,
           "further rounds of prompts that groups without an advantage are replaced from; -1: the "
           "preset's",
           {.min = -1, .max = 1000});
  list.add("parallel", parallel, "samples that are generated at a time", {.min = 1, .max = 65536});
  list.add("held_out_every", held_out_every,
           "steps between pass rates of data.validation; 0: before and after the run", {.min = 0});
  list.add("held_out_samples", held_out_samples, "of each held-out prompt",
           {.min = 1, .max = 4096});
}

void GrpoConfig::check(const std::string& prefix, Problems& problems) const {
  if (group_size == 1) {
    problems.invalid(prefix + "group_size", "1: a group of one has no mean to compare with");
  }
}

GrpoConfig with_preset(GrpoConfig config) {
  const Variant variant = variant_of(config.preset);
  const auto fill = [](auto& key, auto left, auto value) {
    if (key == left) key = value;
  };
  fill(config.weighing, GrpoWeighing::kPreset, variant.weighing);
  fill(config.advantage, GrpoAdvantage::kPreset, variant.advantage);
  fill(config.ratio, GrpoRatio::kPreset, variant.ratio);
  fill(config.clip_low, -1.0, variant.clip_low);
  fill(config.clip_high, -1.0, variant.clip_high);
  fill(config.kl_weight, -1.0, variant.kl_weight);
  fill(config.group_size, i64{0}, variant.group_size);
  fill(config.minibatches, i64{0}, variant.minibatches);
  fill(config.refill, i64{-1}, variant.refill);
  return config;
}

std::string describe_formula(const GrpoConfig& config) {
  const bool divides = config.advantage == GrpoAdvantage::kStd;
  std::string_view weight = "1/(N L_max)";
  if (config.weighing == GrpoWeighing::kTokens) weight = "1/sum|o|";
  if (config.weighing == GrpoWeighing::kSamples) weight = "1/(N |o_i|)";
  const bool sequence = config.ratio == GrpoRatio::kSequence;
  std::string text = fmt::format(
      "L = -sum_i sum_t {} c_it [min(r A_i, clip(r, 1-{}, 1+{}) A_i){}], A_i = {}, r = {}, "
      "c_it = min(pi_old/pi_rollout, {})",
      weight, config.clip_low, config.clip_high,
      config.kl_weight > 0.0 ? fmt::format(" - {} {}", config.kl_weight,
                                           kKlEstimatorNames[static_cast<size_t>(config.kl)].second)
                             : "",
      divides ? "(R_i - mean)/(std + 1e-4)" : "R_i - mean",
      sequence ? "exp(mean_t log(pi/pi_old))" : "pi/pi_old of the token", config.ratio_cap);
  if (config.minibatches * config.inner_epochs == 1) {
    text += "; one step a rollout: r is 1, nothing to clip, and the loss's value is 0 but for KL";
  }
  return text;
}

}  // namespace fathom
