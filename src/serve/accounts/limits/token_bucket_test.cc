#include "serve/accounts/limits/token_bucket.h"

#include <gtest/gtest.h>

namespace fathom::serve {
namespace {

TEST(TokenBucketTest, AMinutesWorthAtOnceAndThenEvenly) {
  TokenBucket bucket(60);
  EXPECT_EQ(bucket.wait_s(60, 1000), 0);
  bucket.take(60, 1000);
  EXPECT_EQ(bucket.remaining(1000), 0);
  EXPECT_DOUBLE_EQ(bucket.wait_s(1, 1000), 1);
  EXPECT_DOUBLE_EQ(bucket.wait_s(30, 1010), 20);
  EXPECT_EQ(bucket.wait_s(10, 1010), 0);
  EXPECT_EQ(bucket.remaining(1000 + 3600), 60) << "it holds no more than a minute's worth";
}

TEST(TokenBucketTest, MoreThanAMinutesWorthWaitsForAFullBucketAndIsOwed) {
  TokenBucket bucket(60);
  EXPECT_EQ(bucket.wait_s(200, 0), 0);
  bucket.take(200, 0);
  EXPECT_DOUBLE_EQ(bucket.wait_s(1, 0), 141);
  EXPECT_DOUBLE_EQ(bucket.wait_s(200, 0), 200);
  EXPECT_EQ(bucket.remaining(0), 0) << "never shown below zero";
  EXPECT_DOUBLE_EQ(bucket.full_in_s(0), 200);
}

TEST(TokenBucketTest, WhatWasNotUsedComesBackButNotMoreThanThereIsRoomFor) {
  TokenBucket bucket(60);
  bucket.take(50, 0);
  bucket.give_back(20);
  EXPECT_EQ(bucket.remaining(0), 30);
  bucket.give_back(1000);
  EXPECT_EQ(bucket.remaining(0), 60);
}

TEST(TokenBucketTest, AClockThatIsSetBackStandsStill) {
  TokenBucket bucket(60);
  bucket.take(60, 1000);
  EXPECT_DOUBLE_EQ(bucket.wait_s(1, 500), 1);
  EXPECT_EQ(bucket.remaining(1000), 0) << "the hour is not counted twice";
  EXPECT_EQ(bucket.remaining(1010), 10);
}

TEST(TokenBucketTest, ANewRateKeepsWhatWasUsed) {
  TokenBucket bucket(60);
  bucket.take(40, 0);
  bucket.set_rate(100, 0);
  EXPECT_EQ(bucket.remaining(0), 60);
  bucket.set_rate(30, 0);
  EXPECT_EQ(bucket.remaining(0), 0);
  EXPECT_DOUBLE_EQ(bucket.wait_s(1, 0), 22);
}

TEST(TokenBucketTest, ZeroIsNoLimit) {
  TokenBucket bucket(0);
  bucket.take(1e12, 0);
  EXPECT_EQ(bucket.wait_s(1e12, 0), 0);
  EXPECT_FALSE(bucket.is_limited());
}

}  // namespace
}  // namespace fathom::serve
