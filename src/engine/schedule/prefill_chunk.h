#pragma once
// Which prompt tokens go through the model together.
#include <span>
#include <vector>

#include "engine/schedule/request.h"

namespace fathom::engine {

/// A started request whose prompt is not computed yet.
struct PendingPrefill {
  RequestId id;
  i64 position = 0;     // tokens of it that are in the cache
  i64 remaining = 0;    // tokens of it that are not, >= 1
  double waited_s = 0;  // since its last progress
  i64 promised = 0;     // scratch
};

/// Tokens [begin, begin + tokens) of one request.
struct ChunkItem {
  RequestId id;
  i64 begin = 0;
  i64 tokens = 0;
  bool last = false;  // of its prompt: logits of the last token are wanted
};

/// Fills `items` with at most `max_tokens` tokens of `pending`, which is in the order in which they
/// started; one item a request. Shortest remaining first, in that order on equality, but
///   an eighth of the chunk is the oldest's, or a flood of short prompts would hold it up for good;
///   half of it goes in equal shares to those who have waited `patience_s`, so that all progress.
/// What they do not need is others'. `pending` is sorted in place. Allocates nothing once `items`
/// is as large as it gets.
void pack_chunk(std::span<PendingPrefill> pending, i64 max_tokens, double patience_s,
                std::vector<ChunkItem>& items);

/// Tokens of the chunk, and the (query, key) pairs that its attention visits in one layer, each
/// token before an item counted as SchedulerLimits::pairs_per_held_token more.
struct ChunkSize {
  i64 tokens = 0;
  i64 pairs = 0;
};
ChunkSize chunk_size(std::span<const ChunkItem> items, i64 pairs_per_held_token);

}  // namespace fathom::engine
