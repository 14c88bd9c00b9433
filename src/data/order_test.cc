#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <vector>

#include "data/mixture.h"
#include "data/permutation.h"

namespace fathom::data {
namespace {

std::vector<i64> places(const Permutation& permutation) {
  std::vector<i64> all;
  for (i64 i = 0; i < permutation.size(); ++i) all.push_back(permutation.at(i));
  return all;
}

TEST(Permutation, VisitsEveryPlaceOnce) {
  for (const i64 size : {0, 1, 2, 3, 7, 64, 1000, 65536, 65537, 100'000, 131'072, 131'073}) {
    auto all = places(Permutation(size, 5, 9));
    std::ranges::sort(all);
    for (i64 i = 0; i < size; ++i) ASSERT_EQ(all[static_cast<size_t>(i)], i) << "size " << size;
  }
}

TEST(Permutation, DependsOnSeedAndStreamAlone) {
  for (const i64 size : {1000, 100'000}) {
    const auto one = places(Permutation(size, 1, 1));
    EXPECT_EQ(one, places(Permutation(size, 1, 1)));
    for (const auto& other :
         {Permutation(size, 2, 1), Permutation(size, 1, 2), Permutation(size)}) {
      i64 same = 0;
      for (i64 i = 0; i < size; ++i) same += other.at(i) == one[static_cast<size_t>(i)];
      EXPECT_LT(same, 12) << size;  // one is expected
    }
  }
}

// Chi-squared over where places land, in 16 x 16 cells: expectation 225, standard deviation 21.
TEST(Permutation, LargeOnesAreWellMixed) {
  constexpr i64 kSize = 160'000;
  const Permutation permutation(kSize, 11, 3);
  std::vector<double> cells(256);
  i64 neighbours = 0;
  for (i64 i = 0; i < kSize; ++i) {
    cells[static_cast<size_t>(i * 16 / kSize * 16 + permutation.at(i) * 16 / kSize)] += 1;
    if (i > 0) neighbours += std::abs(permutation.at(i) - permutation.at(i - 1)) == 1;
  }
  double chi_squared = 0;
  for (const double count : cells) chi_squared += (count - 625) * (count - 625) / 625;
  EXPECT_LT(chi_squared, 225 + 5 * 21);
  EXPECT_LT(neighbours, 16);  // two are expected
}

TEST(Permutation, HugeOnesStayInside) {
  constexpr i64 kSize = (i64{1} << 40) + 12345;
  const Permutation permutation(kSize, 1, 2);
  std::set<i64> seen;
  for (i64 i = 0; i < 1000; ++i) {
    const i64 at = permutation.at(kSize - 1 - i);
    EXPECT_GE(at, 0);
    EXPECT_LT(at, kSize);
    seen.insert(at);
  }
  EXPECT_EQ(seen.size(), 1000u);
}

TEST(Permutation, EveryOrderOfThreeIsEquallyLikely) {
  std::vector<i64> counts(27);
  for (u64 seed = 0; seed < 6000; ++seed) {
    const Permutation permutation(3, seed, 0);
    ++counts[static_cast<size_t>(permutation.at(0) * 9 + permutation.at(1) * 3 +
                                 permutation.at(2))];
  }
  std::erase(counts, 0);
  ASSERT_EQ(counts.size(), 6u);
  for (const i64 count : counts) EXPECT_NEAR(static_cast<double>(count), 1000, 150);
}

TEST(Mixture, CountsAreThoseOfTheSequence) {
  const std::vector<std::vector<double>> cases = {
      {1}, {1, 1}, {3, 1, 2}, {1e-7, 1, 0, 5}, {0, 1}, {1, 0}, {0.1, 0.2, 0.3, 0.4}};
  for (const auto& weights : cases) {
    for (const u64 seed : {0u, 1u, 77u}) {
      const Mixture mixture(weights, seed);
      std::vector<i64> counts(weights.size());
      for (i64 sample = 0; sample < 3000; ++sample) {
        for (size_t i = 0; i < weights.size(); ++i) {
          ASSERT_EQ(mixture.count(static_cast<int>(i), sample), counts[i]) << sample;
        }
        ++counts[static_cast<size_t>(mixture.source(sample))];
      }
      for (size_t i = 0; i < weights.size(); ++i) {
        EXPECT_TRUE(weights[i] > 0 || counts[i] == 0);
      }
    }
  }
}

TEST(Mixture, CountsBeyondWholeTurns) {
  const Mixture mixture(std::vector<double>{3, 1, 2, 1e-9}, 4);
  for (const i64 begin : {(i64{1} << 32) - 50, (i64{1} << 33) + 7, (i64{1} << 48) + 1234567}) {
    std::vector<i64> counts;
    for (int i = 0; i < 4; ++i) counts.push_back(mixture.count(i, begin));
    EXPECT_EQ(counts[0] + counts[1] + counts[2] + counts[3], begin);
    for (i64 sample = begin; sample < begin + 100; ++sample) {
      for (int i = 0; i < 4; ++i) {
        ASSERT_EQ(mixture.count(i, sample), counts[static_cast<size_t>(i)]) << sample;
      }
      ++counts[static_cast<size_t>(mixture.source(sample))];
    }
  }
}

TEST(Mixture, APositiveShareIsNeverRoundedToNothing) {
  const std::vector<double> weights = {1.0, 1e-15, 0.0, 1.0};
  const Mixture mixture(weights, 5);
  constexpr i64 kTurn = i64{1} << 32;
  EXPECT_EQ(mixture.count(1, kTurn), 1);
  EXPECT_EQ(mixture.count(2, kTurn), 0);
  EXPECT_EQ(mixture.count(0, kTurn) + mixture.count(3, kTurn), kTurn - 1);
}

TEST(Mixture, EveryStretchHoldsTheShares) {
  const std::vector<double> weights = {0.5, 0.3, 0.15, 0.05};
  const Mixture mixture(weights, 9);
  for (const i64 begin : {i64{0}, i64{12345}, i64{1} << 40}) {
    for (const i64 length : {10, 100, 1000, 100'000}) {
      for (int i = 0; i < 4; ++i) {
        const auto count =
            static_cast<double>(mixture.count(i, begin + length) - mixture.count(i, begin));
        EXPECT_NEAR(count, weights[static_cast<size_t>(i)] * static_cast<double>(length), 4.0);
      }
    }
  }
}

}  // namespace
}  // namespace fathom::data
