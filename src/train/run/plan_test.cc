#include "train/run/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fathom::train {
namespace {

using ::testing::HasSubstr;

RunConfig config_of(i64 tokens, i64 steps = 0) {
  RunConfig config;
  config.data.seq_len = 10;
  config.train.tokens = tokens;
  config.train.steps = steps;
  config.train.batch_sequences = 8;
  config.schedule.warmup_steps = 0;
  return config;
}

TEST(RunPlan, TokensAreRoundedUpToWholeSteps) {
  EXPECT_EQ(RunPlan(config_of(80)).steps(), 1);
  EXPECT_EQ(RunPlan(config_of(81)).steps(), 2);
  EXPECT_EQ(RunPlan(config_of(81)).tokens(), 160);
  EXPECT_EQ(RunPlan(config_of(0, 5)).tokens(), 400);
}

TEST(RunPlan, StepsFollowOneAnotherWithoutGaps) {
  RunConfig config = config_of(20'000);
  config.train.batch_start_sequences = 2;
  config.train.batch_ramp_tokens = 3'333;
  const RunPlan plan(config);
  i64 sample = 0, sequences = 2;
  for (i64 number = 1; number <= plan.steps(); ++number) {
    const StepPlan step = plan.step(number);
    EXPECT_EQ(step.step, number);
    ASSERT_EQ(step.first_sample, sample);
    // The definition: start + floor(growth * tokens before / ramp), at most the end.
    const i64 expected = std::min<i64>(8, 2 + 6 * sample * 10 / 3'333);
    ASSERT_EQ(step.sequences, expected) << "step " << number;
    ASSERT_GE(step.sequences, sequences);
    sequences = step.sequences;
    sample += step.sequences;
  }
  EXPECT_EQ(sample, plan.samples());
  EXPECT_GE(plan.tokens(), 20'000);
  EXPECT_LT(plan.tokens() - 10 * plan.step(plan.steps()).sequences, 20'000);
}

// A ramp so short that sizes are passed over, and one that the run ends in.
TEST(RunPlan, ShortAndUnfinishedRamps) {
  RunConfig config = config_of(500);
  config.train.batch_start_sequences = 1;
  config.train.batch_ramp_tokens = 20;
  const RunPlan quick(config);
  EXPECT_EQ(quick.step(1).sequences, 1);
  EXPECT_EQ(quick.step(2).sequences, 1 + 7 * 10 / 20);
  EXPECT_EQ(quick.step(3).sequences, 8);
  config.train.batch_ramp_tokens = 100'000;
  const RunPlan slow(config);
  EXPECT_EQ(slow.steps(), 50);
  EXPECT_EQ(slow.step(50).sequences, 1);
}

// DeepSeek-V3 §4.2: 14.8T tokens, sequences of 4096, 3072 growing to 15360 over 469B tokens.
TEST(RunPlan, TheWholeOfV3) {
  RunConfig config;
  config.data.seq_len = 4096;
  config.train.tokens = 14'800'000'000'000;
  config.train.batch_sequences = 15'360;
  config.train.batch_start_sequences = 3'072;
  config.train.batch_ramp_tokens = 469'000'000'000;
  const RunPlan plan(config);
  EXPECT_EQ(plan.step(1).sequences, 3'072);
  i64 low = 1, high = plan.steps();  // the first step with the whole batch
  while (low < high) {
    const i64 middle = (low + high) / 2;
    (plan.step(middle).sequences < 15'360 ? low = middle + 1 : high = middle);
  }
  const double ramp_tokens = static_cast<double>(plan.step(low).first_sample) * 4096;
  EXPECT_NEAR(ramp_tokens / 469e9, 1.0, 1e-3);
  EXPECT_NEAR(static_cast<double>(plan.tokens()) / 14.8e12, 1.0, 1e-5);
  const auto step_at = [&](double tokens) {
    i64 from = 1, to = plan.steps();
    while (from < to) {
      const i64 middle = (from + to) / 2;
      const double before = static_cast<double>(plan.step(middle).first_sample) * 4096;
      (before < tokens ? from = middle + 1 : to = middle);
    }
    return plan.step(from);
  };
  EXPECT_EQ(step_at(9.9e12).lr, 2.2e-4);
  EXPECT_EQ(step_at(9.9e12).mtp_weight, 0.3);
  EXPECT_EQ(step_at(10.1e12).mtp_weight, 0.1);
  EXPECT_EQ(step_at(14.2e12).bias_update_speed, 0.001);
  EXPECT_EQ(step_at(14.4e12).bias_update_speed, 0.0);
  EXPECT_NEAR(step_at(14.4e12).lr, 2.2e-5, 1e-9);
  EXPECT_NEAR(step_at(14.7e12).lr, 7.3e-6, 1e-8);
}

std::string problem_of(const RunConfig& config) {
  Problems problems;
  RunPlan(config).check(problems);
  return problems.empty() ? "" : problems.error("run file").message();
}

TEST(RunPlan, RefusesAWarmUpThatDoesNotEndInTime) {
  RunConfig config = config_of(0, 100);
  config.schedule.warmup_steps = 101;
  EXPECT_THAT(problem_of(config), HasSubstr("longer than the run"));
  config.schedule.warmup_steps = 70;
  EXPECT_THAT(problem_of(config), HasSubstr("cosine_begin_frac = 0.676"));
  config.schedule.shape = ScheduleShape::kWsd;
  EXPECT_EQ(problem_of(config), "");
  config.schedule.warmup_steps = 91;
  EXPECT_THAT(problem_of(config), HasSubstr("decay_frac = 0.1"));
  config.schedule.shape = ScheduleShape::kCosine;
  EXPECT_EQ(problem_of(config), "");
}

TEST(RunPlan, FirstDifferenceLooksAtTheStepsTaken) {
  const RunConfig config = config_of(0, 100);
  RunConfig longer = config_of(0, 200);
  const RunPlan plan(config);
  EXPECT_EQ(first_difference(plan, RunPlan(longer), 60), "");  // both constant so far
  EXPECT_THAT(first_difference(plan, RunPlan(longer), 80), HasSubstr("step 69: learning rate"));
  EXPECT_EQ(first_difference(plan, RunPlan(longer), 68), "");
  EXPECT_NE(first_difference(plan, RunPlan(longer), 69), "") << "the last step taken counts";
  longer.train.batch_sequences = 9;
  EXPECT_THAT(first_difference(plan, RunPlan(longer), 60), HasSubstr("step 1: sequences 8, now 9"));
  EXPECT_EQ(first_difference(plan, RunPlan(longer), 0), "");
}

}  // namespace
}  // namespace fathom::train
