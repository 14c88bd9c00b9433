#include "engine/sampling/softmax_weights.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "base/check.h"
#include "base/rng.h"
#include "testing/special_values.h"

namespace fathom::engine {
namespace {

using testing::kInf;
using testing::kNan;

struct Weights {
  std::vector<float> weights;
  std::vector<double> sums;
  double total;
};
Weights weights_of(const std::vector<float>& logits, float largest, double temperature,
                   double least = 0) {
  Weights w{.weights = std::vector<float>(logits.size()),
            .sums = std::vector<double>((logits.size() + 255) / 256),
            .total = 0};
  w.total = softmax_weights(logits, largest, temperature, least, w.weights, w.sums);
  return w;
}

TEST(SoftmaxWeights, AreExponentialsToTheirError) {
  std::vector<float> logits;
  const Philox rng(1, 2);
  for (u64 i = 0; i < 100'000; ++i) logits.push_back(static_cast<float>(-90 * rng.uniform(i)));
  logits[7] = 0;
  for (const double temperature : {1.0, 0.7, 1.9}) {
    const Weights w = weights_of(logits, 0, temperature);
    for (size_t i = 0; i < logits.size(); ++i) {
      const double x = static_cast<double>(logits[i]) / temperature;
      if (x < -86.99) continue;
      const double want = std::exp(x);
      ASSERT_NEAR(static_cast<double>(w.weights[i]), want, want * (3e-7 - 1.2e-7 * x)) << x;
    }
    EXPECT_EQ(w.weights[7], 1.0f);
  }
}

TEST(SoftmaxWeights, WhatIsNoNumberOrTooSmallWeighsNothing) {
  const Weights w = weights_of({5, kNan, -kInf, 4, -83, 3}, 5, 1, std::exp(-1.5));
  EXPECT_EQ(w.weights[0], 1.0f);
  EXPECT_GT(w.weights[3], 0.36f);
  for (const size_t i : {1u, 2u, 4u, 5u}) EXPECT_EQ(w.weights[i], 0.0f) << i;
}

TEST(SoftmaxWeights, AtADenormalTemperatureTheLargestAloneHasAWeight) {
  const Weights w = weights_of({2, 3, 3, 2.9999f}, 3, 1e-310);
  EXPECT_EQ(w.weights, (std::vector<float>{0, 1, 1, 0}));
}

TEST(SoftmaxWeights, SumsAreThoseOfTheBlocks) {
  for (const size_t count : {1u, 7u, 255u, 256u, 257u, 1000u}) {
    std::vector<float> logits(count, -1.0f);
    for (size_t i = 0; i < count; ++i) logits[i] -= static_cast<float>(i % 13) / 3;
    const Weights w = weights_of(logits, 0, 1);
    double total = 0;
    for (size_t block = 0; block < w.sums.size(); ++block) {
      const auto begin = w.weights.begin() + static_cast<i64>(256 * block);
      const auto end = w.weights.begin() + static_cast<i64>(std::min(count, 256 * block + 256));
      EXPECT_NEAR(w.sums[block], std::accumulate(begin, end, 0.0), 1e-12);
      total += w.sums[block];
    }
    EXPECT_EQ(w.total, total);
  }
}

// The numbers themselves, so that no compiler, vector or machine changes one.
TEST(SoftmaxWeights, HaveTheSameBitsEverywhere) {
  std::vector<float> logits;
  const Philox rng(3, 4);
  for (u64 i = 0; i < 5000; ++i) logits.push_back(static_cast<float>(-30 * rng.uniform(i)));
  const Weights w = weights_of(logits, 0, 0.8);
  u64 hash = 1469598103934665603u;
  for (const float weight : w.weights) {
    hash = (hash ^ std::bit_cast<u32>(weight)) * 1099511628211u;
  }
  EXPECT_EQ(hash, 18280788663454984593u);
  EXPECT_EQ(std::bit_cast<u64>(w.total), 4638587781228649731u);
}

TEST(SoftmaxWeights, OurMistakesAreSaid) {
  std::vector<float> weights(3);
  std::vector<double> sums(1);
  const std::vector<float> logits = {1, 2, 3};
  EXPECT_THROW(softmax_weights(logits, 3, 0, 0, weights, sums), InternalError);
  EXPECT_THROW(softmax_weights(logits, 3, 1, 0, {weights.data(), 2}, sums), InternalError);
  EXPECT_THROW(softmax_weights(logits, 3, 1, 0, weights, {}), InternalError);
}

}  // namespace
}  // namespace fathom::engine
