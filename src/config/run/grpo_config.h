#pragma once
// The [grpo] section of a run file: reinforcement learning on rewards that can be computed.
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "base/types.h"
#include "config/field_list.h"

namespace fathom {

/// A published variant. It fills the keys that the run file leaves to it.
enum class GrpoPreset { kFathom, kDeepSeekMath, kR1Zero, kDapo, kDrGrpo, kGspo, kNanochat };
inline constexpr std::array<std::pair<GrpoPreset, std::string_view>, 7> kGrpoPresetNames = {{
    {GrpoPreset::kFathom, "fathom"},
    {GrpoPreset::kDeepSeekMath, "deepseekmath"},
    {GrpoPreset::kR1Zero, "r1-zero"},
    {GrpoPreset::kDapo, "dapo"},
    {GrpoPreset::kDrGrpo, "dr-grpo"},
    {GrpoPreset::kGspo, "gspo"},
    {GrpoPreset::kNanochat, "nanochat"},
}};

/// What a token of sample i weighs: 1 / sum |o|; 1 / (N |o_i|); 1 / (N L_max).
enum class GrpoWeighing { kPreset, kTokens, kSamples, kConstant };
inline constexpr std::array<std::pair<GrpoWeighing, std::string_view>, 4> kGrpoWeighingNames = {{
    {GrpoWeighing::kPreset, "preset"},
    {GrpoWeighing::kTokens, "tokens"},
    {GrpoWeighing::kSamples, "samples"},
    {GrpoWeighing::kConstant, "constant"},
}};

/// A = (R - mean) / std, with the sample deviation (n - 1), or R - mean.
enum class GrpoAdvantage { kPreset, kStd, kMean };
inline constexpr std::array<std::pair<GrpoAdvantage, std::string_view>, 3> kGrpoAdvantageNames = {{
    {GrpoAdvantage::kPreset, "preset"},
    {GrpoAdvantage::kStd, "std"},
    {GrpoAdvantage::kMean, "mean"},
}};

/// The ratio of a token, or one for the whole sample: exp of the mean of its logarithms (GSPO).
enum class GrpoRatio { kPreset, kToken, kSequence };
inline constexpr std::array<std::pair<GrpoRatio, std::string_view>, 3> kGrpoRatioNames = {{
    {GrpoRatio::kPreset, "preset"},
    {GrpoRatio::kToken, "token"},
    {GrpoRatio::kSequence, "sequence"},
}};

/// How the distance to the reference is estimated; k3-ratio is k3 times the ratio.
enum class KlEstimator { kK1, kK2, kK3, kK3Ratio };
inline constexpr std::array<std::pair<KlEstimator, std::string_view>, 4> kKlEstimatorNames = {{
    {KlEstimator::kK1, "k1"},
    {KlEstimator::kK2, "k2"},
    {KlEstimator::kK3, "k3"},
    {KlEstimator::kK3Ratio, "k3-ratio"},
}};

/// Samples that max_new_tokens cut: reward 0, or left out of the loss and of their group.
enum class GrpoTruncated { kZero, kMask };
inline constexpr std::array<std::pair<GrpoTruncated, std::string_view>, 2> kGrpoTruncatedNames = {{
    {GrpoTruncated::kZero, "zero"},
    {GrpoTruncated::kMask, "mask"},
}};

/// Where in an answer the result stands.
enum class AnswerPlace { kWhole, kBehindMark, kBoxed, kTag };
inline constexpr std::array<std::pair<AnswerPlace, std::string_view>, 4> kAnswerPlaceNames = {{
    {AnswerPlace::kWhole, "whole"},
    {AnswerPlace::kBehindMark, "behind-mark"},
    {AnswerPlace::kBoxed, "boxed"},
    {AnswerPlace::kTag, "tag"},
}};

/// reward = sum of weight * part, or accuracy only where the form is right.
enum class RewardJoin { kSum, kProduct };
inline constexpr std::array<std::pair<RewardJoin, std::string_view>, 2> kRewardJoinNames = {{
    {RewardJoin::kSum, "sum"},
    {RewardJoin::kProduct, "product"},
}};

/// [reward]
struct RewardConfig {
  AnswerPlace answer = AnswerPlace::kBoxed;
  std::string mark;
  double accuracy = 1.0;
  double format = 0.0;
  double language = 0.0;
  std::string target_language = "en";
  double code = 0.0;
  double random = 0.0;
  i64 overlong_buffer = 0;
  RewardJoin join = RewardJoin::kSum;

  void list_fields(FieldList& list);
  void check(const std::string& prefix, Problems& problems) const;
};

/// -1, 0 of a count and "preset" leave a key to the preset.
struct GrpoConfig {
  GrpoPreset preset = GrpoPreset::kFathom;
  i64 prompts = 8;
  i64 group_size = 0;
  i64 max_new_tokens = 64;
  i64 minibatches = 0;
  i64 inner_epochs = 1;
  GrpoWeighing weighing = GrpoWeighing::kPreset;
  GrpoAdvantage advantage = GrpoAdvantage::kPreset;
  GrpoRatio ratio = GrpoRatio::kPreset;
  double clip_low = -1.0;
  double clip_high = -1.0;
  double kl_weight = -1.0;
  KlEstimator kl = KlEstimator::kK3;
  double ratio_cap = 2.0;
  GrpoTruncated truncated = GrpoTruncated::kZero;
  double max_drift = 0.05;
  bool route_replay = true;
  double temperature = 1.0;
  i64 reference_every = 0;
  i64 refill = -1;
  i64 parallel = 256;
  i64 held_out_every = 0;
  i64 held_out_samples = 16;

  void list_fields(FieldList& list);
  void check(const std::string& prefix, Problems& problems) const;
};

/// Every key that `config` leaves to its preset, filled.
GrpoConfig with_preset(GrpoConfig config);
/// The formula in one paragraph, as it will be computed; `config` filled.
std::string describe_formula(const GrpoConfig& config);

}  // namespace fathom
