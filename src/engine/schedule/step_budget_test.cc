#include "engine/schedule/step_budget.h"

#include <gtest/gtest.h>

#include "base/check.h"

namespace fathom::engine {
namespace {

TEST(StepBudget, TheTargetIsFourDecodePassesOrATenthOfASecond) {
  const StepBudget budget{SchedulerLimits{}};
  EXPECT_DOUBLE_EQ(budget.target_s(0.005), 0.1);
  EXPECT_DOUBLE_EQ(budget.target_s(0.05), 0.2);
}

TEST(StepBudget, DecodingEarnsThreeTimesItsOwnLength) {
  StepBudget budget{SchedulerLimits{}};
  EXPECT_EQ(budget.slice_s(0.01, 0.01, 0.002), 0) << "nothing earned yet";
  budget.decoded(0.01);
  EXPECT_DOUBLE_EQ(budget.slice_s(0.01, 0.01, 0.002), 0.03);
  budget.spend(0.02);
  EXPECT_DOUBLE_EQ(budget.slice_s(0.01, 0.01, 0.002), 0.01);
  budget.spend(0.01);
  EXPECT_EQ(budget.slice_s(0.01, 0.01, 0.002), 0);
}

TEST(StepBudget, OneLongLayerIsGrantedAndPaidBack) {
  StepBudget budget{SchedulerLimits{}};
  budget.decoded(0.01);
  EXPECT_DOUBLE_EQ(budget.slice_s(0.01, 0.01, 0.08), 0.08);
  budget.spend(0.08);
  for (int decode_alone = 0; decode_alone < 1; ++decode_alone) {
    budget.decoded(0.01);
    EXPECT_EQ(budget.slice_s(0.01, 0.01, 0.08), 0);
  }
  budget.decoded(0.01);
  EXPECT_DOUBLE_EQ(budget.slice_s(0.01, 0.01, 0.08), 0.08);
}

TEST(StepBudget, NoSliceGoesBeyondTheTarget) {
  StepBudget budget{SchedulerLimits{}};
  for (int i = 0; i < 100; ++i) budget.decoded(0.01);
  EXPECT_DOUBLE_EQ(budget.slice_s(0.01, 0.04, 0.002), 0.06);
  EXPECT_EQ(budget.slice_s(0.01, 0.11, 0.002), 0);
}

TEST(StepBudget, NothingIsSavedUpForLong) {
  StepBudget budget{SchedulerLimits{}};
  for (int i = 0; i < 100; ++i) budget.decoded(0.01);
  budget.spend(0.1);
  EXPECT_EQ(budget.slice_s(0.01, 0.01, 0.002), 0) << "a target's worth, no more";
  budget.decoded(0.01);
  budget.reset();
  EXPECT_EQ(budget.slice_s(0.01, 0.01, 0.002), 0);
}

TEST(StepBudget, AHiccupInALayerIsNotPaidBackForLong) {
  StepBudget budget{SchedulerLimits{}};
  budget.decoded(0.01);
  budget.spend(60);
  int decode_alone = 0;
  while (budget.slice_s(0.01, 0.01, 0.002) == 0) budget.decoded(0.01), ++decode_alone;
  EXPECT_LE(decode_alone, 15);
}

TEST(StepBudget, RefusesLimitsThatLeaveNoTimeForALayer) {
  EXPECT_THROW(StepBudget(SchedulerLimits{.target_decodes = 1}), InternalError);
  EXPECT_THROW(StepBudget(SchedulerLimits{.decode_share = 1}), InternalError);
  EXPECT_THROW(StepBudget(SchedulerLimits{.decode_share = 0}), InternalError);
}

}  // namespace
}  // namespace fathom::engine
