#include "train/balance.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fathom::train {
namespace {

using ::testing::FloatEq;
using ::testing::Pointwise;

std::vector<float> updated(const BalanceConfig& config, double speed, std::vector<i64> counts,
                           std::vector<float> bias) {
  update_router_bias(config, speed, counts, {bias.data(), {std::ssize(bias)}});
  return bias;
}

// DeepSeek-V3 §2.1.2: down by gamma if overloaded, up if underloaded; exactly at the mean: neither.
TEST(BalanceRule, SignMovesAgainstTheLoad) {
  BalanceConfig config;
  EXPECT_THAT(updated(config, 0.25, {7, 1, 4, 4}, {1, 1, 0, -1}),
              Pointwise(FloatEq(), {0.75f, 1.25f, 0.0f, -1.0f}));
}

TEST(BalanceRule, ProportionalIsRelativeToTheMean) {
  BalanceConfig config;
  config.bias_rule = BiasRule::kProportional;
  const auto once = updated(config, 0.1, {8, 0, 4, 4}, {0, 0, 0, 0});
  EXPECT_THAT(once, Pointwise(FloatEq(), {-0.1f, 0.1f, 0.0f, 0.0f}));
  EXPECT_EQ(updated(config, 0.1, {800, 0, 400, 400}, {0, 0, 0, 0}), once) << "any batch size";
}

TEST(BalanceRule, RecentringKeepsTheSum) {
  BalanceConfig config;
  config.bias_recenter = true;
  // Signs -1, +1, +1, +1: mean 0.5.
  const auto bias = updated(config, 0.1, {10, 2, 2, 2}, {0, 0, 0, 0});
  EXPECT_THAT(bias, Pointwise(FloatEq(), {-0.15f, 0.05f, 0.05f, 0.05f}));
}

TEST(BalanceRule, NothingMovesWithoutRuleSpeedOrLoad) {
  BalanceConfig config;
  const std::vector<float> bias = {0.5f, -0.5f};
  EXPECT_EQ(updated(config, 0.0, {9, 1}, bias), bias);
  EXPECT_EQ(updated(config, 0.1, {0, 0}, bias), bias);
  config.bias_rule = BiasRule::kNone;
  EXPECT_EQ(updated(config, 0.1, {9, 1}, bias), bias);
}

TEST(BalanceRule, MaxViolation) {
  EXPECT_DOUBLE_EQ(max_violation(std::vector<i64>{4, 4, 4, 4}), 0.0);
  EXPECT_DOUBLE_EQ(max_violation(std::vector<i64>{16, 0, 0, 0}), 3.0);
  EXPECT_DOUBLE_EQ(max_violation(std::vector<i64>{0, 0}), 0.0);
}

}  // namespace
}  // namespace fathom::train
