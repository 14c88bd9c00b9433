#include "engine/schedule/prefill_chunk.h"

#include <gtest/gtest.h>

#include <string>

namespace fathom::engine {
namespace {

/// "slot:begin+tokens", and "." after the last of a prompt.
std::string packed(std::vector<PendingPrefill> pending, i64 max_tokens) {
  std::vector<ChunkItem> items;
  pack_chunk(pending, max_tokens, 30, items);
  std::string text;
  for (const ChunkItem& item : items) {
    text += std::to_string(item.id.slot) + ":" + std::to_string(item.begin) + "+" +
            std::to_string(item.tokens) + (item.last ? ". " : " ");
  }
  return text;
}

TEST(PackChunk, ShortestRemainingFirst) {
  EXPECT_EQ(packed({{{1, 1}, 0, 3000, 0}, {{2, 1}, 100, 40, 0}, {{3, 1}, 0, 60, 0}}, 512),
            "2:100+40. 3:0+60. 1:0+412 ");
  EXPECT_EQ(packed({{{1, 1}, 0, 600, 0}, {{2, 1}, 0, 600, 0}}, 512), "1:0+512 ");
  EXPECT_EQ(packed({{{1, 1}, 7, 512, 0}}, 512), "1:7+512. ");
  EXPECT_EQ(packed({}, 512), "");
}

TEST(PackChunk, AnEighthIsTheOldests) {
  EXPECT_EQ(packed({{{1, 1}, 0, 3000, 0}, {{2, 1}, 0, 600, 0}}, 512), "2:0+448 1:0+64 ");
  EXPECT_EQ(packed({{{1, 1}, 0, 3000, 0}, {{2, 1}, 0, 400, 0}, {{3, 1}, 0, 600, 0}}, 512),
            "2:0+400. 3:0+48 1:0+64 ");
}

TEST(PackChunk, HalfOfItIsTheirsWhoWaitedLong) {
  EXPECT_EQ(packed({{{1, 1}, 0, 3000, 30}, {{2, 1}, 0, 700, 0}}, 512), "2:0+256 1:0+256 ");
  EXPECT_EQ(packed({{{1, 1}, 0, 3000, 31}, {{2, 1}, 0, 4000, 35}, {{3, 1}, 0, 400, 0}}, 512),
            "3:0+256 1:0+128 2:0+128 ");
  // A share that its owner does not need goes to others.
  EXPECT_EQ(packed({{{1, 1}, 0, 10, 31}, {{2, 1}, 0, 4000, 35}, {{3, 1}, 0, 40, 0}}, 512),
            "1:0+10. 3:0+40. 2:0+462 ");
  // More of them than tokens: one each, to the first; those are served and then wait again.
  EXPECT_EQ(
      packed({{{1, 1}, 0, 9, 31}, {{2, 1}, 0, 9, 32}, {{3, 1}, 0, 9, 33}, {{4, 1}, 0, 5, 0}}, 4),
      "4:0+2 1:0+1 2:0+1 ");
}

TEST(PackChunk, SizeCountsWhatAttentionVisits) {
  const std::vector<ChunkItem> items = {{{1, 1}, 100, 3, false}, {{2, 1}, 0, 2, true}};
  EXPECT_EQ(chunk_size(items, 0).tokens, 5);
  EXPECT_EQ(chunk_size(items, 0).pairs, 101 + 102 + 103 + 1 + 2);
  EXPECT_EQ(chunk_size(items, 7).pairs, 101 + 102 + 103 + 1 + 2 + 7 * 100);
}

}  // namespace
}  // namespace fathom::engine
