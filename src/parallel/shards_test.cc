#include "parallel/shards.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "config/model/test_configs.h"

namespace fathom::parallel {
namespace {

TEST(ShardsTest, BlocksCoverEveryNumberOnceAndOwnersHaveEqualParts) {
  ModelConfig config = testing::small_v3();
  config.vocab_size = 100003;
  config.moe_intermediate_size = 4096;
  const checkpoint::ParameterLayout layout(config);
  for (const i64 ranks : {1, 2, 3, 7}) {
    std::vector<i64> dense(static_cast<size_t>(ranks)), expert(static_cast<size_t>(ranks));
    for (i64 rank = 0; rank < ranks; ++rank) {
      const Shards shards(layout, {rank, ranks}, {rank, ranks});
      i64 next = 0, stored = 0;
      for (const ShardBlock& block : shards.blocks()) {
        EXPECT_EQ(block.begin, next);
        EXPECT_EQ(block.count % 16, 0);
        EXPECT_LE(block.count, kBlockElements);
        next += block.count;
      }
      EXPECT_EQ(next, layout.size());
      for (const ShardBlock& block : shards.own_blocks()) {
        EXPECT_EQ(block.stored, stored);
        EXPECT_EQ(block.owner, rank);
        stored += block.count;
        (block.holders == Holders::kExperts ? expert : dense)[static_cast<size_t>(rank)] +=
            block.count;
      }
      EXPECT_EQ(stored, shards.own_elements());
    }
    for (const auto& owned : {dense, expert}) {
      const auto [least, most] = std::ranges::minmax(owned);
      EXPECT_LE(most - least, 2 * kBlockElements) << ranks << " ranks";
      EXPECT_GT(least, 0);
    }
  }
}

}  // namespace
}  // namespace fathom::parallel
