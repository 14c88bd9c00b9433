// Every schedule at its boundaries: the first step, the last, and the steps before, at and behind
// each corner. All of it in steps, as a run takes them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "train/run/plan.h"

namespace fathom::train {
namespace {

using ::testing::ElementsAre;

constexpr double kPeak = 0.5;

/// 100 steps of 4 sequences of 8 tokens: step n begins at the fraction (n - 1) / 100.
RunConfig hundred_steps(ScheduleShape shape) {
  RunConfig config;
  config.data.seq_len = 8;
  config.train.steps = 100;
  config.train.batch_sequences = 4;
  config.schedule.shape = shape;
  config.schedule.warmup_steps = 10;
  config.schedule.peak_lr = kPeak;
  config.schedule.final_lr_frac = 0.25;
  return config;
}

double lr(const RunPlan& plan, i64 step) { return plan.step(step).lr / kPeak; }

double cosine(double p) { return 0.25 + 0.75 * 0.5 * (1.0 + std::cos(std::numbers::pi * p)); }

TEST(ScheduleBoundaries, WarmUp) {
  for (const ScheduleShape shape : {ScheduleShape::kV3, ScheduleShape::kCosine, ScheduleShape::kWsd,
                                    ScheduleShape::kConstant}) {
    const RunPlan plan(hundred_steps(shape));
    EXPECT_DOUBLE_EQ(lr(plan, 1), 0.1);
    EXPECT_DOUBLE_EQ(lr(plan, 2), 0.2);
    EXPECT_DOUBLE_EQ(lr(plan, 9), 0.9);
    EXPECT_DOUBLE_EQ(lr(plan, 10), 1.0);
    EXPECT_DOUBLE_EQ(lr(plan, 11), 1.0) << "the shape begins behind the warm-up";
  }
}

TEST(ScheduleBoundaries, NoWarmUpAndOneOfAStep) {
  RunConfig config = hundred_steps(ScheduleShape::kConstant);
  config.schedule.warmup_steps = 0;
  EXPECT_DOUBLE_EQ(lr(RunPlan(config), 1), 1.0);
  config.schedule.warmup_steps = 1;
  EXPECT_DOUBLE_EQ(lr(RunPlan(config), 1), 1.0);
  config.schedule.warmup_steps = 2;
  EXPECT_DOUBLE_EQ(lr(RunPlan(config), 1), 0.5);
  EXPECT_DOUBLE_EQ(lr(RunPlan(config), 2), 1.0);
}

TEST(ScheduleBoundaries, CosineFallsFromTheStepBehindTheWarmUp) {
  const RunPlan plan(hundred_steps(ScheduleShape::kCosine));
  EXPECT_DOUBLE_EQ(lr(plan, 11), cosine(0.0));
  EXPECT_DOUBLE_EQ(lr(plan, 12), cosine(1.0 / 90));
  EXPECT_NEAR(lr(plan, 100), cosine(89.0 / 90), 1e-12);
  EXPECT_NEAR(lr(plan, 101), 0.25, 1e-12) << "as a longer run would go on";
  EXPECT_NEAR(lr(plan, 150), 0.25, 1e-12);
}

TEST(ScheduleBoundaries, WsdDecaysOverItsLastSteps) {
  RunConfig config = hundred_steps(ScheduleShape::kWsd);
  config.schedule.decay_frac = 0.25;  // from fraction 0.75 on, where step 76 begins
  const RunPlan plan(config);
  EXPECT_DOUBLE_EQ(lr(plan, 75), 1.0);
  EXPECT_DOUBLE_EQ(lr(plan, 76), 1.0);
  EXPECT_NEAR(lr(plan, 77), 1.0 - 0.75 / 25, 1e-12);
  EXPECT_NEAR(lr(plan, 100), 1.0 - 0.75 * 24 / 25, 1e-12);
  EXPECT_NEAR(lr(plan, 101), 0.25, 1e-12);
}

TEST(ScheduleBoundaries, V3AtEveryCorner) {
  RunConfig config = hundred_steps(ScheduleShape::kV3);
  config.schedule.cosine_begin_frac = 0.5;
  config.schedule.cosine_end_frac = 0.75;
  config.schedule.tail_begin_frac = 0.875;
  config.schedule.tail_lr_frac = 0.125;
  const RunPlan plan(config);
  EXPECT_DOUBLE_EQ(lr(plan, 50), 1.0);
  EXPECT_DOUBLE_EQ(lr(plan, 51), 1.0);  // begins at 0.5
  EXPECT_NEAR(lr(plan, 52), cosine(1.0 / 25), 1e-12);
  EXPECT_NEAR(lr(plan, 75), cosine(24.0 / 25), 1e-12);
  EXPECT_NEAR(lr(plan, 76), 0.25, 1e-12);  // begins at 0.75
  EXPECT_NEAR(lr(plan, 77), 0.25, 1e-12);
  EXPECT_NEAR(lr(plan, 88), 0.25, 1e-12);  // begins at 0.87
  EXPECT_DOUBLE_EQ(lr(plan, 89), 0.125);   // at 0.88
  EXPECT_DOUBLE_EQ(lr(plan, 100), 0.125);
  config.schedule.tail_begin_frac = 0.75;
  EXPECT_DOUBLE_EQ(lr(RunPlan(config), 76), 0.125) << "the tail begins at its fraction, not behind";
}

TEST(ScheduleBoundaries, MtpWeightAndBiasSpeed) {
  RunConfig config = hundred_steps(ScheduleShape::kConstant);
  config.recipe.mtp = {.loss_weight = 0.3, .late_loss_weight = 0.1, .late_frac = 0.5};
  config.recipe.balance.bias_update_speed = 0.001;
  config.recipe.balance.bias_freeze_frac = 0.75;
  const RunPlan plan(config);
  for (const i64 step : {1, 49, 50}) EXPECT_EQ(plan.step(step).mtp_weight, 0.3) << step;
  for (const i64 step : {51, 52, 100}) EXPECT_EQ(plan.step(step).mtp_weight, 0.1) << step;
  for (const i64 step : {1, 74, 75}) EXPECT_EQ(plan.step(step).bias_update_speed, 0.001) << step;
  for (const i64 step : {76, 77, 100}) EXPECT_EQ(plan.step(step).bias_update_speed, 0.0) << step;
}

TEST(ScheduleBoundaries, BatchRamp) {
  RunConfig config = hundred_steps(ScheduleShape::kConstant);
  config.train.batch_start_sequences = 2;
  config.train.batch_ramp_tokens = 64;  // 2 to 4 sequences: 3 from 32 tokens on, 4 from 64 on
  const RunPlan plan(config);
  std::vector<i64> sequences, first_samples;
  for (i64 step = 1; step <= 6; ++step) {
    sequences.push_back(plan.step(step).sequences);
    first_samples.push_back(plan.step(step).first_sample);
  }
  // Tokens before the steps: 0, 16, 32, 56, 80, 112.
  EXPECT_THAT(sequences, ElementsAre(2, 2, 3, 3, 4, 4));
  EXPECT_THAT(first_samples, ElementsAre(0, 2, 4, 7, 10, 14));
  EXPECT_EQ(plan.step(100).sequences, 4);
  EXPECT_EQ(plan.samples(), 10 + 96 * 4);
}

// A run that is so many tokens long ends where its tokens do, in the ramp and behind it.
TEST(ScheduleBoundaries, LengthInTokens) {
  RunConfig config = hundred_steps(ScheduleShape::kConstant);
  config.train.steps = 0;
  config.train.batch_start_sequences = 2;
  config.train.batch_ramp_tokens = 64;
  const auto steps_of = [&](i64 tokens) {
    config.train.tokens = tokens;
    return RunPlan(config).steps();
  };
  EXPECT_EQ(steps_of(1), 1);
  EXPECT_EQ(steps_of(16), 1);
  EXPECT_EQ(steps_of(17), 2);
  EXPECT_EQ(steps_of(32), 2);
  EXPECT_EQ(steps_of(33), 3);
  EXPECT_EQ(steps_of(56), 3);
  EXPECT_EQ(steps_of(57), 4);
  EXPECT_EQ(steps_of(80), 4);
  EXPECT_EQ(steps_of(81), 5);
  EXPECT_EQ(steps_of(112), 5);
  EXPECT_EQ(steps_of(113), 6);
}

}  // namespace
}  // namespace fathom::train
