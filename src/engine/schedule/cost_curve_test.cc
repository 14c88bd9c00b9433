#include "engine/schedule/cost_curve.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/check.h"

namespace fathom::engine {
namespace {

CostCurve curve() { return CostCurve({{1, 0.010}, {8, 0.024}, {64, 0.080}}, 1e-7); }

TEST(CostCurve, GoesThroughItsPointsAndOn) {
  const CostCurve c = curve();
  EXPECT_DOUBLE_EQ(c.seconds(1, 0), 0.010);
  EXPECT_DOUBLE_EQ(c.seconds(8, 0), 0.024);
  EXPECT_DOUBLE_EQ(c.seconds(36, 0), 0.052);
  EXPECT_DOUBLE_EQ(c.seconds(128, 0), 0.144);
  EXPECT_DOUBLE_EQ(c.seconds(8, 100'000), 0.034);
  EXPECT_DOUBLE_EQ(CostCurve({{32, 0.1}, {512, 0.4}}, 0).seconds(5, 0), 0.1);
  EXPECT_DOUBLE_EQ(CostCurve({{4, 0.1}}, 0).seconds(8, 0), 0.2);
  EXPECT_DOUBLE_EQ(CostCurve({{1, 0.1}, {2, 0.05}}, 0).seconds(100, 0), 0.05);
}

TEST(CostCurve, RefusesPointsThatAreNone) {
  EXPECT_THROW(CostCurve({}, 0), InternalError);
  EXPECT_THROW(CostCurve({{2, 1}, {2, 1}}, 0), InternalError);
  EXPECT_THROW(CostCurve({{1, 0}}, 0), InternalError);
  EXPECT_THROW(CostCurve({{1, 1}}, -1), InternalError);
}

TEST(CostCurve, LearnsThatTheMachineIsThreeTimesSlower) {
  CostCurve c = curve();
  for (int i = 0; i < 20; ++i) c.observe(8, 1000, 3 * curve().seconds(8, 1000));
  EXPECT_NEAR(c.seconds(8, 1000) / curve().seconds(8, 1000), 3, 0.1);
  EXPECT_GT(c.seconds(64, 1000) / curve().seconds(64, 1000), 1.7) << "other sizes follow";
}

TEST(CostCurve, LearnsWhatRowsCostThere) {
  CostCurve c = curve();
  // Eight rows read other experts than the measurement did: twice the time; one row as measured.
  for (int i = 0; i < 400; ++i) {
    c.observe(8, 0, 0.048);
    c.observe(1, 0, 0.010);
  }
  EXPECT_NEAR(c.seconds(8, 0), 0.048, 0.005);
  EXPECT_NEAR(c.seconds(1, 0), 0.010, 0.001);
}

TEST(CostCurve, LearnsWhatAttentionCostsApartFromTheRest) {
  CostCurve c = curve();
  // Attention costs five times what was measured.
  for (int i = 0; i < 400; ++i) {
    c.observe(8, 0, 0.024);
    c.observe(8, 1'000'000, 0.024 + 0.5);
  }
  EXPECT_NEAR(c.seconds(8, 0), 0.024, 0.003);
  EXPECT_NEAR(c.seconds(8, 1'000'000), 0.524, 0.05);
  EXPECT_LT(c.seconds(64, 0), 0.2) << "and other sizes are not blamed";
}

TEST(CostCurve, OneWildObservationMovesLittle) {
  CostCurve c = curve();
  c.observe(8, 1000, 1e6);
  EXPECT_LT(c.seconds(8, 1000), 1.2 * curve().seconds(8, 1000));
  c = curve();
  c.observe(8, 1000, 1e-9);
  EXPECT_GT(c.seconds(8, 1000), curve().seconds(8, 1000) / 1.2);
}

TEST(CostCurve, AGuessGivesWayToTheFirstObservations) {
  CostCurve c({{1, 0.001}, {512, 0.01}}, 1e-9, CostCurve::Points::kGuessed);
  c.observe(1, 0, 0.1);
  EXPECT_NEAR(c.seconds(1, 0), 0.1, 1e-9);
  EXPECT_NEAR(c.seconds(512, 0), 1, 1e-9);
  c.observe(1, 0, 0.025);
  EXPECT_NEAR(c.seconds(1, 0), 0.05, 1e-9) << "the mean of the two, as factors";
  for (int i = 0; i < 10; ++i) c.observe(1, 0, 0.05);
  c.observe(1, 0, 1e6);
  EXPECT_LT(c.seconds(1, 0), 0.06) << "then it is as good as measured";
}

TEST(CostCurve, PassesOverTimesThatCannotBe) {
  CostCurve c = curve();
  for (const double seconds : {0.0, -1.0, std::nan(""), std::numeric_limits<double>::infinity()}) {
    c.observe(8, 0, seconds);
  }
  c.observe(0, 0, 1);
  EXPECT_DOUBLE_EQ(c.seconds(8, 0), 0.024);
}

}  // namespace
}  // namespace fathom::engine
