#include "train/learning_rate.h"

#include <gtest/gtest.h>

namespace fathom::train {
namespace {

double at(const ScheduleConfig& config, double frac, double warmup_frac = 0.01) {
  return learning_rate(config,
                       {.step = config.warmup_steps + 1, .frac = frac, .warmup_frac = warmup_frac});
}

// DeepSeek-V3 §4.2, in fractions of 14.8T tokens: constant until 10T, cosine over 4.3T to 2.2e-5,
// constant over 333B, 7.3e-6 over the last 167B.
TEST(LearningRate, V3AtItsCornerPoints) {
  const ScheduleConfig config;
  EXPECT_DOUBLE_EQ(learning_rate(config, {.step = 1}), 2.2e-4 / 2000);
  EXPECT_DOUBLE_EQ(learning_rate(config, {.step = 1000}), 1.1e-4);
  EXPECT_DOUBLE_EQ(learning_rate(config, {.step = 2000}), 2.2e-4);
  EXPECT_DOUBLE_EQ(at(config, 0.02), 2.2e-4);
  EXPECT_DOUBLE_EQ(at(config, 9.99 / 14.8), 2.2e-4);
  EXPECT_NEAR(at(config, (10.0 + 4.3 / 2) / 14.8), (2.2e-4 + 2.2e-5) / 2, 2e-7);
  EXPECT_NEAR(at(config, 14.3 / 14.8), 2.2e-5, 1e-9);
  EXPECT_NEAR(at(config, 14.5 / 14.8), 2.2e-5, 1e-9);
  EXPECT_NEAR(at(config, 14.64 / 14.8), 7.3e-6, 1e-8);
  EXPECT_NEAR(at(config, 0.9999), 7.3e-6, 1e-8);
}

TEST(LearningRate, CosineFromTheWarmUpToTheEnd) {
  ScheduleConfig config;
  config.shape = ScheduleShape::kCosine;
  EXPECT_DOUBLE_EQ(at(config, 0.1, 0.1), 2.2e-4);
  EXPECT_NEAR(at(config, 0.55, 0.1), (2.2e-4 + 2.2e-5) / 2, 1e-12);
  EXPECT_NEAR(at(config, 1.0, 0.1), 2.2e-5, 1e-12);
}

TEST(LearningRate, WsdIsStableThenLinear) {
  ScheduleConfig config;
  config.shape = ScheduleShape::kWsd;
  config.decay_frac = 0.2;
  config.final_lr_frac = 0.0;
  EXPECT_DOUBLE_EQ(at(config, 0.5), 2.2e-4);
  EXPECT_DOUBLE_EQ(at(config, 0.8), 2.2e-4);
  EXPECT_NEAR(at(config, 0.9), 1.1e-4, 1e-12);
  EXPECT_NEAR(at(config, 1.0), 0.0, 1e-12);
}

TEST(LearningRate, ConstantAndNoWarmUp) {
  ScheduleConfig config;
  config.shape = ScheduleShape::kConstant;
  config.warmup_steps = 0;
  EXPECT_DOUBLE_EQ(learning_rate(config, {.step = 1}), 2.2e-4);
  EXPECT_DOUBLE_EQ(at(config, 1.0), 2.2e-4);
}

}  // namespace
}  // namespace fathom::train
