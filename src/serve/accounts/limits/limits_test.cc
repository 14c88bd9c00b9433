#include "serve/accounts/limits/limits.h"

#include <gtest/gtest.h>

namespace fathom::serve {
namespace {

constexpr double kNow = 1'796'000'000;  // 2026-11-30, a Monday

class LimitsTest : public ::testing::Test {
 protected:
  void set(const KeySettings& settings) {
    key_.settings = settings;
    limits_.set_keys({&key_, 1}, now_);
  }
  /// Whether it may run; if not, why is in refusal_.
  bool admit(i64 tokens, Nano cost = 0) {
    const auto refusal = limits_.admit(key_, {.tokens = tokens, .cost = cost}, now_, left_);
    if (refusal) refusal_ = *refusal;
    return !refusal;
  }
  void finish(i64 reserved, i64 tokens, Nano cost = 0) {
    limits_.finish(key_.id, {.tokens = reserved, .cost = cost},
                   {.work = static_cast<double>(tokens), .tokens = tokens, .cost = cost}, now_);
  }

  double now_ = kNow;
  Key key_{.id = "key_a", .name = "a"};
  Limits limits_;
  LimitsLeft left_;
  Refusal refusal_;
};

TEST_F(LimitsTest, TheThirdRequestOfTwoAMinuteWaits) {
  set({.requests_per_minute = 2});
  ASSERT_TRUE(admit(10));
  EXPECT_EQ(left_.requests.limit, 2);
  EXPECT_EQ(left_.requests.remaining, 1);
  EXPECT_DOUBLE_EQ(left_.requests.full_in_s, 30);
  EXPECT_EQ(left_.tokens.limit, 0) << "there is no such limit";
  ASSERT_TRUE(admit(10));
  ASSERT_FALSE(admit(10));
  EXPECT_EQ(refusal_.kind, Refusal::Kind::kRequests);
  EXPECT_DOUBLE_EQ(refusal_.wait_s, 30);
  EXPECT_EQ(left_.requests.remaining, 0);
  now_ += 30;
  EXPECT_TRUE(admit(10));
}

TEST_F(LimitsTest, TokensAreHeldBackAndSettledByWhatWasUsed) {
  set({.requests_per_minute = 100, .tokens_per_minute = 1000});
  ASSERT_TRUE(admit(900));
  ASSERT_FALSE(admit(200));
  EXPECT_EQ(refusal_.kind, Refusal::Kind::kTokens);
  EXPECT_DOUBLE_EQ(refusal_.wait_s, 6) << "100 tokens at 1000 a minute";
  EXPECT_EQ(refusal_.used, 900);
  EXPECT_EQ(left_.requests.remaining, 99) << "what was refused is not counted";
  finish(900, 300);
  ASSERT_TRUE(admit(200)) << "600 of the 900 came back";
  EXPECT_EQ(left_.tokens.remaining, 500);
  finish(200, 900);
  ASSERT_FALSE(admit(1)) << "what was not held back is owed";
}

TEST_F(LimitsTest, SoManyAtOnceAndNoMore) {
  set({.max_parallel = 2});
  ASSERT_TRUE(admit(10));
  ASSERT_TRUE(admit(10));
  ASSERT_FALSE(admit(10));
  EXPECT_EQ(refusal_.kind, Refusal::Kind::kParallel);
  EXPECT_EQ(refusal_.limit, 2);
  EXPECT_GT(refusal_.wait_s, 0);
  finish(10, 10);
  EXPECT_TRUE(admit(10));
}

TEST_F(LimitsTest, AQuotaEndsWithItsPeriod) {
  set({.quota_tokens = 1000, .period = Period::kDay});
  ASSERT_TRUE(admit(600));
  ASSERT_FALSE(admit(500)) << "what runs may come to 600";
  finish(600, 400);
  ASSERT_TRUE(admit(500));
  finish(500, 500);
  ASSERT_FALSE(admit(101));
  EXPECT_EQ(refusal_.kind, Refusal::Kind::kQuota);
  EXPECT_EQ(refusal_.limit, 1000);
  EXPECT_EQ(refusal_.used, 900);
  EXPECT_EQ(utc_time(static_cast<i64>(now_ + refusal_.wait_s)), "2026-12-01T00:00:00Z");
  limits_.written(key_.id, 900, 0, static_cast<i64>(now_));
  ASSERT_FALSE(admit(101)) << "written or not, it is used";
  now_ += 86400;
  EXPECT_TRUE(admit(1000));
}

TEST_F(LimitsTest, WhatARequestHeldBackIsFreeWhenItEndsWhileOthersRun) {
  set({.quota_tokens = 1000, .budget = 1000});
  ASSERT_TRUE(admit(300, 300));
  ASSERT_TRUE(admit(300, 300));
  limits_.finish(key_.id, {.tokens = 300, .cost = 300}, {.work = 100, .tokens = 100, .cost = 100},
                 now_);
  ASSERT_FALSE(admit(601, 0)) << "100 are used and 300 held back";
  ASSERT_FALSE(admit(0, 601));
  EXPECT_TRUE(admit(600, 600));
}

TEST_F(LimitsTest, ABudgetIsOfMoney) {
  set({.budget = 1000, .period = Period::kMonth});
  ASSERT_TRUE(admit(1, 600));
  finish(1, 1, 600);
  ASSERT_FALSE(admit(1, 401));
  EXPECT_EQ(refusal_.kind, Refusal::Kind::kBudget);
  EXPECT_EQ(refusal_.asked, 401);
  EXPECT_TRUE(admit(1, 400));
}

TEST_F(LimitsTest, TotalsOfTheDatabaseAreOfAllServers) {
  set({.quota_tokens = 1000, .period = Period::kWeek});
  ASSERT_TRUE(admit(100));
  finish(100, 100);
  const i64 week = period_begin(Period::kWeek, static_cast<i64>(now_));
  limits_.set_totals(key_.id, {.begin_s = week, .tokens = 700}, now_);
  ASSERT_FALSE(admit(201)) << "700 there and 100 on the way";
  ASSERT_TRUE(admit(200));
  finish(200, 0);
  limits_.written(key_.id, 100, 0, static_cast<i64>(now_));
  ASSERT_FALSE(admit(201)) << "800 there";
  limits_.set_totals(key_.id, {.begin_s = week - 7 * 86400, .tokens = 0}, now_);
  ASSERT_FALSE(admit(201)) << "last week's total says nothing of this one";
  EXPECT_TRUE(admit(200));
}

TEST_F(LimitsTest, ARowOfThePeriodBeforeIsNotOfThisOne) {
  set({.quota_tokens = 1000, .period = Period::kDay});
  ASSERT_TRUE(admit(900));
  finish(900, 900);
  const i64 yesterday = static_cast<i64>(now_);
  now_ += 86400;
  ASSERT_FALSE(admit(1000)) << "it may be of today, until it is written";
  limits_.written(key_.id, 900, 0, yesterday);
  EXPECT_TRUE(admit(1000));
}

TEST_F(LimitsTest, PricesThatChangeMeanwhileLeaveNothingBehind) {
  set({.budget = 1000});
  ASSERT_TRUE(admit(1, 500));
  limits_.finish(key_.id, {.tokens = 1, .cost = 100}, {}, now_);
  EXPECT_TRUE(admit(1, 1000));
}

TEST_F(LimitsTest, NewSettingsHoldFromTheNextRequestOn) {
  set({.requests_per_minute = 1});
  ASSERT_TRUE(admit(1));
  ASSERT_FALSE(admit(1));
  set({.requests_per_minute = 10});
  EXPECT_TRUE(admit(1));
  set({});
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(admit(1'000'000'000));
}

TEST_F(LimitsTest, AKeyThatIsGoneIsForgottenWhenItsRequestsHaveEnded) {
  set({.max_parallel = 1});
  ASSERT_TRUE(admit(1));
  limits_.set_keys({}, now_);
  ASSERT_FALSE(admit(1)) << "its request runs still";
  finish(1, 1);
  limits_.set_keys({}, now_);
  EXPECT_TRUE(admit(1)) << "begun anew";
}

}  // namespace
}  // namespace fathom::serve
