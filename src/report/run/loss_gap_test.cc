#include "report/run/loss_gap.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "report/metrics/test_run.h"

namespace fathom::report {
namespace {

RunHistory run_of(i64 steps, const std::function<double(i64)>& loss) {
  RunHistory history;
  for (i64 step = 1; step <= steps; ++step) {
    StepMetrics metrics = test_step(step, 0);
    metrics.loss = loss(step);
    history.add(metrics);
  }
  return history;
}

double falling(i64 step) { return 2.0 + 6.0 / std::sqrt(static_cast<double>(step)); }

TEST(LossGap, OfAConstantFactorIsThatFactorWhateverTheLengths) {
  for (const i64 steps : {3, 100, 1024, 1025, 5000}) {
    const RunHistory base = run_of(steps, falling);
    const RunHistory run = run_of(steps, [](i64 step) { return 1.0025 * falling(step); });
    const LossGap gap = loss_gap(base, run);
    EXPECT_NEAR(gap.mean, 0.0025, 1e-12) << steps;
    EXPECT_NEAR(gap.largest, 0.0025, 1e-12) << steps;
    EXPECT_NEAR(gap.last, 0.0025, 1e-12) << steps;
    EXPECT_EQ(gap.last_step, steps);
  }
  // 5000 steps are kept in other buckets than 900: the curves meet between their points.
  const LossGap gap = loss_gap(run_of(5000, falling), run_of(900, falling));
  EXPECT_NEAR(gap.mean, 0.0, 2e-3);
  EXPECT_EQ(gap.last_step, 900);
}

TEST(LossGap, IsThatOfTheMovingAverage) {
  const RunHistory base = run_of(40, [](i64) { return 2.0; });
  const RunHistory run = run_of(40, [](i64 step) { return step == 35 ? 4.0 : 2.0; });
  const LossGap gap = loss_gap(base, run);
  const double norm = 1.0 - std::pow(0.9, 35);  // the average's weight so far
  EXPECT_NEAR(gap.largest, 0.1 / norm, 1e-12);
  EXPECT_NEAR(gap.last, 0.1 * std::pow(0.9, 5) / (1.0 - std::pow(0.9, 40)), 1e-12);
}

// Step 5 of 40 shows in the second half only by what the average still holds of it.
TEST(LossGap, IsOfTheSecondHalf) {
  const RunHistory base = run_of(40, [](i64) { return 2.0; });
  const RunHistory run = run_of(40, [](i64 step) { return step == 5 ? 4.0 : 2.0; });
  EXPECT_NEAR(loss_gap(base, run).largest, 0.1 * std::pow(0.9, 16) / (1.0 - std::pow(0.9, 21)),
              1e-12);
}

TEST(LossGap, TheLargestMayBeBelow) {
  const RunHistory base = run_of(40, [](i64) { return 2.0; });
  const RunHistory run = run_of(40, [](i64 step) {
    return step == 25 ? 2.4 : step == 39 ? 1.0 : 2.0;
  });
  EXPECT_LT(loss_gap(base, run).largest, -0.04);
}

// The average of a run that counts fewer steps has no more bias of its start.
TEST(LossGap, SkippedStepsLeaveNoGap) {
  const RunHistory base = run_of(20, [](i64) { return 2.0; });
  const RunHistory run = run_of(20, [](i64 step) { return step <= 10 ? std::nan("") : 2.0; });
  EXPECT_NEAR(loss_gap(base, run).largest, 0.0, 1e-12);
}

TEST(LossGap, SkippedStepsAndEmptyRunsHaveNone) {
  const RunHistory base = run_of(20, falling);
  const RunHistory run =
      run_of(20, [](i64 step) { return step == 15 ? std::nan("") : falling(step); });
  EXPECT_TRUE(std::isfinite(loss_gap(base, run).mean));
  EXPECT_TRUE(std::isnan(loss_gap(base, RunHistory()).mean));
  EXPECT_TRUE(std::isnan(loss_gap(RunHistory(), base).largest));
}

}  // namespace
}  // namespace fathom::report
