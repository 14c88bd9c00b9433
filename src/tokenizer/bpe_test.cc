#include "tokenizer/bpe.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <numeric>

#include "base/rng.h"
#include "tokenizer/piece_cache.h"

namespace fathom::tokenizer {
namespace {

/// Ids 0-255 are the bytes; every merge adds the next id.
Bpe make_bpe(const std::vector<std::pair<i32, i32>>& merges, u64 rank_shuffle = 0) {
  std::array<i32, 256> byte_ids;
  for (size_t i = 0; i < byte_ids.size(); ++i) byte_ids[i] = static_cast<i32>(i);
  MergeTable table(merges.size());
  for (size_t i = 0; i < merges.size(); ++i) {
    const auto rank = static_cast<i32>((i * (2 * rank_shuffle + 1)) % 1021);
    table.insert({merges[i].first, merges[i].second, rank, static_cast<i32>(256 + i)});
  }
  return Bpe(byte_ids, std::move(table));
}

std::vector<i32> merged(const Bpe& bpe, std::string_view piece) {
  std::vector<i32> ids;
  bpe.merge(piece, ids);
  return ids;
}

/// The rule itself: apply the lowest rank, leftmost, until nothing merges.
std::vector<i32> merged_naively(const std::vector<std::pair<i32, i32>>& merges, u64 rank_shuffle,
                                std::string_view piece) {
  std::vector<i32> ids;
  for (const char c : piece) ids.push_back(static_cast<u8>(c));
  while (true) {
    size_t best_at = ids.size();
    i32 best_rank = 1 << 30, best_id = 0;
    for (size_t at = 0; at + 1 < ids.size(); ++at) {
      for (size_t i = 0; i < merges.size(); ++i) {
        const auto rank = static_cast<i32>((i * (2 * rank_shuffle + 1)) % 1021);
        if (merges[i] == std::pair(ids[at], ids[at + 1]) && rank < best_rank) {
          best_at = at;
          best_rank = rank;
          best_id = static_cast<i32>(256 + i);
        }
      }
    }
    if (best_at == ids.size()) return ids;
    ids[best_at] = best_id;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(best_at) + 1);
  }
}

TEST(Bpe, LowestRankFirstThenLeftmost) {
  const Bpe bpe = make_bpe({{'b', 'c'}, {'a', 'b'}, {'a', 'a'}});
  EXPECT_EQ(merged(bpe, "abc"), (std::vector<i32>{'a', 256}));
  EXPECT_EQ(merged(bpe, "aaa"), (std::vector<i32>{258, 'a'}));
  EXPECT_EQ(merged(bpe, "x"), (std::vector<i32>{'x'}));
}

// tiktoken's ranks are those of the result, which two pairs may share.
TEST(Bpe, EqualRanksGoLeftmostFirst) {
  std::array<i32, 256> byte_ids;
  std::iota(byte_ids.begin(), byte_ids.end(), 0);
  MergeTable table(2);
  table.insert({'b', 'c', 7, 256});
  table.insert({'a', 'b', 7, 257});
  const Bpe bpe(byte_ids, std::move(table));
  EXPECT_EQ(merged(bpe, "abcbca"), (std::vector<i32>{257, 'c', 256, 'a'}));
  const std::vector<i32> ids = merged(bpe, "abcbca" + std::string(100, 'x'));
  EXPECT_EQ(std::vector(ids.begin(), ids.begin() + 4), (std::vector<i32>{257, 'c', 256, 'a'}));
}

TEST(Bpe, ShortAndLongPiecesFollowTheRule) {
  const Philox rng(5, 0);
  u64 draw = 0;
  const auto below = [&](u64 n) { return static_cast<i32>(rng.at(draw++)[0] % n); };
  for (u64 shuffle = 0; shuffle < 12; ++shuffle) {
    // Random merges over three letters, ranks not in the order of making when shuffle > 0.
    std::vector<std::pair<i32, i32>> merges;
    while (merges.size() < 40) {
      const auto symbol = [&]() -> i32 {
        const i32 s = below(3 + merges.size());
        return s < 3 ? 'a' + s : 256 + s - 3;
      };
      const std::pair<i32, i32> pair(symbol(), symbol());
      if (std::find(merges.begin(), merges.end(), pair) == merges.end()) merges.push_back(pair);
    }
    const Bpe bpe = make_bpe(merges, shuffle);
    for (int i = 0; i < 150; ++i) {
      std::string piece;
      for (i32 n = 1 + below(120); n > 0; --n) piece.push_back(static_cast<char>('a' + below(3)));
      ASSERT_EQ(merged(bpe, piece), merged_naively(merges, shuffle, piece)) << piece;
    }
  }
}

TEST(Bpe, OneRepeatedLetterIsNotQuadratic) {
  std::vector<std::pair<i32, i32>> merges = {{'a', 'a'}};
  for (i32 id = 256; merges.size() < 12; ++id) merges.emplace_back(id, id);  // a^2, a^4, ... a^4096
  const Bpe bpe = make_bpe(merges);
  const std::string letters(1'000'000, 'a');
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(merged(bpe, letters).size(), 1'000'000u / 4096 + 2);  // 576 letters are left: 512 + 64
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  EXPECT_LT(seconds.count(), 10.0);  // quadratic: an hour
}

TEST(MergeTable, TheLastOfEqualPairsWins) {
  MergeTable table(2);
  table.insert({1, 2, 0, 10});
  table.insert({1, 2, 5, 11});
  ASSERT_NE(table.find(1, 2), nullptr);
  EXPECT_EQ(table.find(1, 2)->merged, 11);
  EXPECT_EQ(table.find(2, 1), nullptr);
  EXPECT_EQ(MergeTable().find(0, 0), nullptr);
}

TEST(PieceCache, GivesBackWhatWasStoredOrNothing) {
  PieceCache cache;
  for (size_t size = 1; size <= PieceCache::kMaxPieceBytes; ++size) {
    const std::string piece(size, 'q');
    PieceCache::Slot& slot = cache.slot_of(piece);
    EXPECT_FALSE(PieceCache::holds(slot, piece));
    const std::vector<i32> ids(std::min<size_t>(size, PieceCache::kMaxIds), static_cast<i32>(size));
    PieceCache::store(slot, piece, ids);
    ASSERT_TRUE(PieceCache::holds(cache.slot_of(piece), piece));
    EXPECT_EQ(std::vector<i32>(slot.ids, slot.ids + slot.num_ids), ids);
  }
  PieceCache::Slot& slot = cache.slot_of("many");
  PieceCache::store(slot, "many", std::vector<i32>(PieceCache::kMaxIds + 1));
  EXPECT_FALSE(PieceCache::holds(slot, "many"));
}

}  // namespace
}  // namespace fathom::tokenizer
