#include "parallel/tree_sum.h"

#include <gtest/gtest.h>

#include <bit>
#include <numeric>

#include "base/rng.h"
#include "comm/test_chaos.h"
#include "parallel/test_step.h"

namespace fathom::parallel {
namespace {

std::vector<float> numbers_of(i64 leaf) {
  const Philox rng(1, static_cast<u64>(leaf));
  std::vector<float> numbers;
  for (u64 i = 0; i < 5; ++i) {
    numbers.push_back(static_cast<float>(rng.normal(i) * std::exp(3.0 * rng.normal(i + 100))));
  }
  return numbers;
}

/// The definition.
std::vector<float> tree(i64 begin, i64 end) {
  if (end - begin == 1) return numbers_of(begin);
  const i64 middle = begin + (end - begin) / 2;
  std::vector<float> sum = tree(begin, middle);
  add_to(tree(middle, end), sum);
  return sum;
}

TEST(TreeSumTest, IsTheTreeOfAnyNumberOfMicroBatches) {
  TreeSum sum({{0, 2}, {2, 3}});  // of steps one after another
  for (i64 count = 1; count <= 33; ++count) {
    std::vector<float> gradients(5);
    sum.begin(count);
    for (i64 leaf = 0; leaf < count; ++leaf) {
      add_to(numbers_of(leaf), gradients);
      sum.add(gradients);
    }
    EXPECT_EQ(gradients, tree(0, count)) << count;
  }
}

TEST(TreeSumTest, RanksBranchesInPairsAreTheWholeTree) {
  for (const i64 ranks : {2, 4, 8}) {
    for (const i64 each : {1, 3, 6}) {
      std::vector<std::vector<float>> branches;
      for (i64 rank = 0; rank < ranks; ++rank)
        branches.push_back(tree(rank * each, (rank + 1) * each));
      for (i64 step = 1; step < ranks; step *= 2) {
        for (i64 rank = 0; rank < ranks; rank += 2 * step) {
          add_to(branches[static_cast<size_t>(rank + step)], branches[static_cast<size_t>(rank)]);
        }
      }
      EXPECT_EQ(branches[0], tree(0, ranks * each)) << ranks << " of " << each;
    }
  }
}

TEST(TreeSumTest, WhatIsNoTreeIsRefusedByName) {
  ParallelConfig config;
  config.reduction = GradientReduction::kAnyLayout;
  config.expert_ranks = 3;
  const auto problems = layout_problems(config, 3, testing::small_v3(), 16, 2);
  ASSERT_EQ(problems.size(), 3u);
  EXPECT_EQ(
      problems[0],
      "parallel.reduction: any-layout wants a power of two of ranks that share the batch, found 3");
  EXPECT_EQ(problems[1].substr(0, 75),
            "parallel.reduction: any-layout wants parallel.expert_ranks = 1, found 3: on");
  EXPECT_EQ(
      problems[2],
      "parallel.reduction: any-layout wants micro-batches of one size: 16 sequences of a step "
      "are no multiple of 3 ranks of 2");
}

}  // namespace
}  // namespace fathom::parallel
