#include "engine/schedule/prefill_chunk.h"

#include <algorithm>

namespace fathom::engine {
namespace {

constexpr i64 kOldestPart = 8;
constexpr i64 kAgedPart = 2;

/// Sets what each gets before the shortest; returns the sum.
i64 promise(std::span<PendingPrefill> pending, i64 max_tokens, double patience_s) {
  const auto is_aged = [patience_s](const PendingPrefill& each) {
    return each.waited_s >= patience_s;
  };
  const i64 for_aged = std::max<i64>(max_tokens / kAgedPart, 1);
  const i64 aged = std::count_if(pending.begin(), pending.end(), is_aged);
  const i64 share = std::max<i64>(for_aged / std::max<i64>(aged, 1), 1);
  i64 left = for_aged, sum = 0;
  for (PendingPrefill& each : pending) {
    each.promised = is_aged(each) ? std::min({share, each.remaining, left}) : 0;
    left -= each.promised;
    if (&each == &pending.front()) {
      each.promised = std::max(each.promised, std::min(max_tokens / kOldestPart, each.remaining));
    }
    sum += each.promised;
  }
  return sum;
}

/// Shortest first. Insertion sort: stable, without memory of its own, and they are a few dozen.
void sort_by_remaining(std::span<PendingPrefill> pending) {
  const auto shorter = [](const PendingPrefill& a, const PendingPrefill& b) {
    return a.remaining < b.remaining;
  };
  for (auto next = pending.begin(); next != pending.end(); ++next) {
    std::rotate(std::upper_bound(pending.begin(), next, *next, shorter), next, std::next(next));
  }
}

}  // namespace

void pack_chunk(std::span<PendingPrefill> pending, i64 max_tokens, double patience_s,
                std::vector<ChunkItem>& items) {
  items.clear();
  i64 left = max_tokens - promise(pending, max_tokens, patience_s);
  sort_by_remaining(pending);
  for (const PendingPrefill& each : pending) {
    const i64 more = std::min(each.remaining - each.promised, left);
    const i64 tokens = each.promised + more;
    left -= more;
    if (tokens == 0) continue;
    items.push_back({each.id, each.position, tokens, tokens == each.remaining});
  }
}

ChunkSize chunk_size(std::span<const ChunkItem> items, i64 pairs_per_held_token) {
  ChunkSize size;
  for (const ChunkItem& each : items) {
    size.tokens += each.tokens;
    size.pairs += each.tokens * each.begin + each.tokens * (each.tokens + 1) / 2;
    size.pairs += each.begin * pairs_per_held_token;
  }
  return size;
}

}  // namespace fathom::engine
