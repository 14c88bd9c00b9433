// The published variants by hand-computed vectors, and every derivative against finite differences.
#include "posttrain/grpo/policy_loss.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <numeric>

#include "posttrain/grpo/policy_objective.h"

namespace fathom::posttrain {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;

std::vector<double> advantages(std::vector<double> rewards, GrpoAdvantage kind,
                               std::vector<bool> kept = {}) {
  kept.resize(rewards.size(), true);
  return group_advantages(rewards, kept, kind);
}

TEST(GroupAdvantages, Vectors) {
  constexpr double kHigh = 0.8660 - 1.5e-4;  // the sample deviation, and delta
  EXPECT_THAT(advantages({1, 0, 0, 1}, GrpoAdvantage::kStd),
              ElementsAre(DoubleNear(kHigh, 1e-4), DoubleNear(-kHigh, 1e-4),
                          DoubleNear(-kHigh, 1e-4), DoubleNear(kHigh, 1e-4)));
  EXPECT_THAT(advantages({1, 0, 0, 1}, GrpoAdvantage::kMean), ElementsAre(0.5, -0.5, -0.5, 0.5));
  EXPECT_THAT(advantages({0.7, 0.7, 0.7}, GrpoAdvantage::kStd), ElementsAre(0, 0, 0));
  // What rounding leaves is no difference: it once made advantages of 4000.
  EXPECT_THAT(advantages({0.1 + 0.2, 0.3, 0.3}, GrpoAdvantage::kStd), ElementsAre(0, 0, 0));
  EXPECT_THAT(advantages({1}, GrpoAdvantage::kStd), ElementsAre(0));
}

TEST(GroupAdvantages, SumToZeroAndLeaveOutWhatIsNotKept) {
  const std::vector<double> all = advantages({1, 0, 0.25, 0.5, 3}, GrpoAdvantage::kStd);
  EXPECT_NEAR(std::accumulate(all.begin(), all.end(), 0.0), 0.0, 1e-12);
  const std::vector<double> part =
      advantages({1, 77, 0, 0, 1}, GrpoAdvantage::kStd, {true, false, true, true, true});
  EXPECT_EQ(part[1], 0.0);
  EXPECT_EQ(part[0], advantages({1, 0, 0, 1}, GrpoAdvantage::kStd)[0]);
}

TEST(PolicyLoss, ClippedSurrogate) {
  const auto term = [](double ratio, double advantage) {
    return surrogate(std::log(ratio), advantage, 0.2, 0.2);
  };
  EXPECT_DOUBLE_EQ(term(1.3, 1).value, 1.2);
  EXPECT_EQ(term(1.3, 1).slope, 0.0);
  EXPECT_TRUE(term(1.3, 1).clipped_high);
  EXPECT_DOUBLE_EQ(term(1.3, -1).value, -1.3);
  EXPECT_DOUBLE_EQ(term(1.3, -1).slope, -1.3);
  EXPECT_DOUBLE_EQ(term(0.7, -1).value, -0.8);
  EXPECT_EQ(term(0.7, -1).slope, 0.0);
  EXPECT_TRUE(term(0.7, -1).clipped_low);
  EXPECT_FALSE(term(0.7, 1).clipped_low || term(0.7, 1).clipped_high);
  // R1-Zero's epsilon of 10: only the upper side can bind.
  EXPECT_DOUBLE_EQ(surrogate(std::log(0.01), -1, 10, 10).slope, -0.01);
  EXPECT_EQ(surrogate(std::log(12.0), 1, 10, 10).slope, 0.0);
  EXPECT_TRUE(std::isfinite(surrogate(5000.0, 1, 0.2, 1e9).value)) << "log-ratios are bounded";
}

TEST(PolicyLoss, DistanceToTheReference) {
  const auto value = [](KlEstimator kind) { return kl_term(kind, -1.0, -1.2, 0.0).value; };
  EXPECT_NEAR(value(KlEstimator::kK1), 0.2, 1e-12);
  EXPECT_NEAR(value(KlEstimator::kK2), 0.02, 1e-12);
  EXPECT_NEAR(value(KlEstimator::kK3), 0.01873, 1e-5);
}

TEST(PolicyLoss, WhatATokenWeighs) {
  const auto weights = [](GrpoWeighing kind) {
    return std::pair(sample_weight(kind, 2, 10, 2, 8), sample_weight(kind, 8, 10, 2, 8));
  };
  EXPECT_EQ(weights(GrpoWeighing::kSamples), std::pair(1.0 / 4, 1.0 / 16));
  EXPECT_EQ(weights(GrpoWeighing::kTokens), std::pair(1.0 / 10, 1.0 / 10));
  EXPECT_EQ(weights(GrpoWeighing::kConstant), std::pair(1.0 / 16, 1.0 / 16));
}

TEST(PolicyLoss, PenaltyForLength) {
  EXPECT_EQ(overlong_penalty(48, 64, 16, false), 0.0);
  EXPECT_EQ(overlong_penalty(56, 64, 16, false), -0.5);
  EXPECT_EQ(overlong_penalty(64, 64, 16, false), -1.0);
  EXPECT_EQ(overlong_penalty(10, 64, 16, true), -1.0);
  EXPECT_EQ(overlong_penalty(64, 64, 0, true), 0.0);
}

/// Two samples of 2 and 3 tokens behind prompts of 2 and 1, in rows of 4.
class PolicyObjectiveTest : public ::testing::Test {
 protected:
  PolicyObjectiveTest() : samples_(2) {
    samples_[0].ids = {9, 9, 1, 2};
    samples_[0].prompt_tokens = 2;
    samples_[0].rollout_log_probs = {-1.0, -0.7};
    samples_[0].reference_log_probs = {-1.3, -0.4};
    samples_[0].advantage = 0.8;
    samples_[1].ids = {9, 3, 4, 5};
    samples_[1].prompt_tokens = 1;
    samples_[1].rollout_log_probs = {-0.5, -2.0, -1.1};
    samples_[1].reference_log_probs = {-0.6, -1.5, -1.2};
    samples_[1].advantage = -0.6;
    for (PolicySample& sample : samples_) rows_.push_back(&sample);
  }
  /// The loss at log-probabilities `x` of the five targets, and dL / dnll of each.
  double loss(const GrpoConfig& config, const std::vector<double>& x,
              std::vector<double>* slopes = nullptr) {
    constexpr std::array<size_t, 5> kPlaces = {1, 2, 4, 5, 6};
    PolicyObjective objective(config);
    objective.begin_step(rows_);
    std::vector<double> ratios;
    if (config.ratio == GrpoRatio::kSequence) {
      const auto& a = samples_[0].old_log_probs;
      const auto& b = samples_[1].old_log_probs;
      ratios = {(x[0] + x[1] - a[0] - a[1]) / 2, (x[2] + x[3] + x[4] - b[0] - b[1] - b[2]) / 3};
    }
    objective.begin_batch(rows_, 4, ratios);
    std::vector<double> nll(8, 0.0);
    std::vector<float> weights(8, 7.0f);
    for (size_t i = 0; i < 5; ++i) nll[kPlaces[i]] = -x[i];
    objective.weigh(0, {nll.data(), {3}}, {weights.data(), {3}});
    objective.weigh(3, {nll.data() + 3, {5}}, {weights.data() + 3, {5}});
    EXPECT_EQ(weights[0], 0.0f);
    EXPECT_EQ(weights[3], 0.0f);
    EXPECT_EQ(weights[7], 0.0f);
    if (slopes != nullptr) {
      for (const size_t place : kPlaces) slopes->push_back(static_cast<double>(weights[place]));
    }
    stats_ = objective.stats();
    return stats_.loss;
  }

  std::vector<PolicySample> samples_;
  std::vector<PolicySample*> rows_;
  PolicyStats stats_;
};

TEST_F(PolicyObjectiveTest, EveryVariantsSlopeIsItsDerivative) {
  for (PolicySample& sample : samples_) {
    sample.old_log_probs = sample.rollout_log_probs;
    for (double& x : sample.old_log_probs) x += 0.1;  // so that the correction is at work
  }
  const std::vector<double> x = {-0.95, -0.72, -0.3, -1.85, -1.3};
  for (const auto& [preset, name] : kGrpoPresetNames) {
    for (const auto& [kl, kl_name] : kKlEstimatorNames) {
      GrpoConfig config;
      config.preset = preset;
      config.kl = kl;
      config.max_new_tokens = 8;
      config = with_preset(config);
      if (kl != KlEstimator::kK3) config.kl_weight = 0.05;
      std::vector<double> slopes;
      loss(config, x, &slopes);
      for (size_t i = 0; i < x.size(); ++i) {
        std::vector<double> up = x, down = x;
        up[i] += 1e-5;
        down[i] -= 1e-5;
        const double by_log_prob = (loss(config, up) - loss(config, down)) / 2e-5;
        EXPECT_NEAR(-slopes[i], by_log_prob, 1e-6) << name << " " << kl_name << " " << i;
      }
    }
  }
}

// One step a rollout: the value is 0 (beside KL), the gradient is not.
TEST_F(PolicyObjectiveTest, OnPolicyTheValueIsNothingAndTheGradientIsTheAdvantage) {
  samples_[1].advantage = -0.8;
  GrpoConfig config;
  config.preset = GrpoPreset::kDeepSeekMath;
  config = with_preset(config);
  config.kl_weight = 0.0;
  std::vector<double> slopes;
  EXPECT_NEAR(loss(config, {-1.0, -0.7, -0.5, -2.0, -1.1}, &slopes), 0.0, 1e-12);
  EXPECT_NEAR(slopes[0], 0.8 / 4, 1e-7);
  EXPECT_NEAR(slopes[2], -0.8 / 6, 1e-7);
  EXPECT_EQ(stats_.clipped_low + stats_.clipped_high, 0);
  EXPECT_EQ(stats_.drift, 0.0);
  EXPECT_DOUBLE_EQ(stats_.effective_samples(), 1.0);
}

TEST_F(PolicyObjectiveTest, GspoHasOneRatioForTheSample) {
  samples_[0].advantage = 0.0;
  samples_[1].advantage = 1.0;
  for (PolicySample& sample : samples_) sample.old_log_probs = sample.rollout_log_probs;
  GrpoConfig config;
  config.preset = GrpoPreset::kGspo;
  config = with_preset(config);
  std::vector<double> slopes;
  loss(config, {-1.0, -0.7, -0.5 + 0.1, -2.0 - 0.3, -1.1 + 0.2}, &slopes);
  EXPECT_NEAR(stats_.loss, -0.5, 1e-12) << "s = 1";
  for (size_t i = 2; i < 5; ++i) EXPECT_NEAR(slopes[i], 1.0 / 6, 1e-7);
}

// One mask and one denominator: a sample that is left out is left out of everything.
TEST_F(PolicyObjectiveTest, WhatIsNotKeptCountsNowhere) {
  for (const GrpoPreset preset : {GrpoPreset::kFathom, GrpoPreset::kDeepSeekMath}) {
    GrpoConfig config;
    config.preset = preset;
    config = with_preset(config);
    samples_[1].kept = false;
    std::vector<double> slopes;
    loss(config, {-1.0, -0.7, -0.5, -2.0, -1.1}, &slopes);
    EXPECT_EQ(slopes[2] + slopes[3] + slopes[4], 0.0);
    EXPECT_EQ(stats_.targets, 2);
    samples_[1].kept = true;
    std::vector<double> both;
    loss(config, {-1.0, -0.7, -0.5, -2.0, -1.1}, &both);
    EXPECT_GT(slopes[0], 1.5 * both[0]) << "the denominator is that of the kept one alone";
  }
}

TEST_F(PolicyObjectiveTest, TheCorrectionIsCutAndTheDriftIsSeen) {
  samples_[0].rollout_log_probs = {-4.0, -0.7};
  GrpoConfig config = with_preset({});
  std::vector<double> slopes;
  loss(config, {-1.0, -0.7, -0.5, -2.0, -1.1}, &slopes);
  EXPECT_NEAR(slopes[0], 2.0 * 0.8 / 5, 1e-7) << "e^3 is cut to 2";
  EXPECT_NEAR(slopes[1], 0.8 / 5, 1e-7);
  EXPECT_DOUBLE_EQ(stats_.drift_max, 3.0);
  EXPECT_EQ(stats_.drift_outside, 1);
  EXPECT_LT(stats_.effective_samples(), 0.5);
}

}  // namespace
}  // namespace fathom::posttrain
