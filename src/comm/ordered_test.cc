#include "comm/ordered.h"

#include <gtest/gtest.h>

#include "base/rng.h"
#include "comm/test_chaos.h"

namespace fathom::comm {
namespace {

/// Numbers of very different sizes, so that another order of addition gives other bits.
template <typename T>
std::vector<T> numbers(int rank, i64 count) {
  const Philox random(7, static_cast<u64>(rank));
  std::vector<T> all(static_cast<size_t>(count));
  for (size_t i = 0; i < all.size(); ++i) {
    const double scale = std::exp2(20 * random.uniform(2 * i + 1));
    all[i] = static_cast<T>(random.normal(2 * i) * scale);
  }
  return all;
}

/// The definition: inside each node in rank order, then node after node.
template <typename T>
std::vector<T> ordered_sum(int ranks, int ranks_per_node, i64 count) {
  std::vector<T> sum;
  for (int first = 0; first < ranks; first += ranks_per_node) {
    std::vector<T> node = numbers<T>(first, count);
    for (int r = first + 1; r < first + ranks_per_node; ++r) {
      const std::vector<T> next = numbers<T>(r, count);
      for (size_t i = 0; i < node.size(); ++i) node[i] += next[i];
    }
    if (first == 0) {
      sum = node;
    } else {
      for (size_t i = 0; i < node.size(); ++i) sum[i] += node[i];
    }
  }
  return sum;
}

/// Counts where a shard or a block ends, and none at all.
template <typename T>
void check_all_reduce(Comm& comm, int ranks_per_node, i64 block_bytes) {
  OrderedSums sums(comm, {.block_bytes = block_bytes});
  ASSERT_EQ(sums.two_levels(), ranks_per_node > 1 && ranks_per_node < comm.size());
  for (const i64 count : {i64{0}, i64{1}, i64{3}, i64{16}, i64{17}, block_bytes / 2 + 3}) {
    std::vector<T> values = numbers<T>(comm.rank(), count);
    sums.all_reduce(std::span(values));
    // Bitwise: no number here is NaN or a zero of either sign.
    ASSERT_EQ(values, ordered_sum<T>(comm.size(), ranks_per_node, count))
        << count << " elements, rank " << comm.rank() << " of " << comm.size();
  }
}

TEST(OrderedSumsTest, AddInRankOrderWhateverTheTiming) {
  for (const ThreadsOptions& options : testing::quiet_and_chaotic()) {
    for (const int ranks : {1, 2, 3, 7}) {
      run_ranks(ranks, options, [&](Comm& comm) {
        check_all_reduce<float>(comm, ranks, 1024);
        check_all_reduce<double>(comm, ranks, 64);
        check_all_reduce<float>(comm, ranks, 1);  // of one element
      });
    }
  }
}

TEST(OrderedSumsTest, InTwoLevelsNodesComeFirst) {
  for (ThreadsOptions options : testing::quiet_and_chaotic()) {
    for (const auto& [ranks, per_node] : {std::pair{4, 2}, {6, 3}, {6, 2}, {4, 4}}) {
      options.job.ranks_per_node = per_node;
      run_ranks(ranks, options, [&, per_node = per_node](Comm& comm) {
        check_all_reduce<float>(comm, per_node, 1024);
        check_all_reduce<double>(comm, per_node, 256);
      });
    }
  }
}

TEST(OrderedSumsTest, UnequalNodesAreSummedInOneLevel) {
  ThreadsOptions options = testing::quiet_and_chaotic(0)[0];
  options.job.ranks_per_node = 2;
  run_ranks(5, options, [](Comm& comm) {
    OrderedSums sums(comm);
    EXPECT_FALSE(sums.two_levels());
    std::vector<float> values = numbers<float>(comm.rank(), 100);
    sums.all_reduce(std::span(values));
    EXPECT_EQ(values, ordered_sum<float>(5, 5, 100));
  });
}

// As many ranks of each node, but not one node's behind another's.
TEST(OrderedSumsTest, MixedNodesAreSummedInOneLevel) {
  ThreadsOptions options = testing::quiet_and_chaotic(0)[0];
  options.job.ranks_per_node = 3;
  run_ranks(6, options, [](Comm& world) {
    constexpr int kPlace[] = {0, 1, 3, 2, 4, 5};  // nodes 0 0 1 0 1 1
    Comm mixed = world.split(0, kPlace[world.rank()], "mixed");
    EXPECT_FALSE(OrderedSums(mixed).two_levels());
    EXPECT_TRUE(OrderedSums(world).two_levels());
  });
}

// Bytes over the network: with two levels each rank sends across what one of its node's ranks
// would.
TEST(OrderedSumsTest, ReduceScatterLeavesTheShardAndMovesARingsBytes) {
  run_ranks(4, testing::quiet_and_chaotic(0)[0], [](Comm& comm) {
    OrderedSums sums(comm);
    std::vector<float> values = numbers<float>(comm.rank(), 4096);
    const std::vector<float> expected = ordered_sum<float>(4, 4, 4096);
    const i64 before = comm.traffic().sent_bytes;
    sums.reduce_scatter(values);
    EXPECT_EQ(comm.traffic().sent_bytes - before, 3 * 4096 * 4 / 4);
    const ShardRange mine = shard_range(4096, comm.rank(), 4);
    for (i64 i = mine.begin; i < mine.end; ++i) {
      ASSERT_EQ(values[static_cast<size_t>(i)], expected[static_cast<size_t>(i)]);
    }
  });
}

TEST(OrderedSumsTest, ShardsCoverEveryElementOnce) {
  for (const i64 elements : {i64{0}, i64{1}, i64{5}, i64{671'026'404'352}}) {
    for (const int ranks : {1, 3, 7, 2048}) {
      i64 next = 0;
      for (int r = 0; r < ranks; ++r) {
        const ShardRange range = shard_range(elements, r, ranks);
        ASSERT_EQ(range.begin, next);
        next = range.end;
      }
      ASSERT_EQ(next, elements);
    }
  }
}

}  // namespace
}  // namespace fathom::comm
