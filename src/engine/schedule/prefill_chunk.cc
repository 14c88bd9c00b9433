#include "engine/schedule/prefill_chunk.h"

#include <algorithm>

namespace fathom::engine {
namespace {

ChunkItem item(const PendingPrefill& request, i64 tokens) {
  return {request.id, request.position, tokens, tokens == request.remaining};
}

}  // namespace

void pack_chunk(std::span<PendingPrefill> pending, i64 max_tokens, double patience_s,
                std::vector<ChunkItem>& items) {
  items.clear();
  // Insertion sort: stable, without memory of its own, and there are at most a few dozen.
  const auto before = [patience_s](const PendingPrefill& a, const PendingPrefill& b) {
    const bool a_aged = a.waited_s >= patience_s, b_aged = b.waited_s >= patience_s;
    if (a_aged != b_aged) return a_aged;
    return a_aged ? a.waited_s > b.waited_s : a.remaining < b.remaining;
  };
  for (auto next = pending.begin(); next != pending.end(); ++next) {
    std::rotate(std::upper_bound(pending.begin(), next, *next, before), next, std::next(next));
  }
  i64 aged = 0;
  for (const PendingPrefill& request : pending) aged += request.waited_s >= patience_s ? 1 : 0;
  const i64 share = aged == 0 ? max_tokens : std::max<i64>(max_tokens / aged, 1);

  i64 left = max_tokens;
  for (const PendingPrefill& request : pending) {
    if (left == 0) return;
    const i64 tokens = std::min({request.remaining, left, share});
    items.push_back(item(request, tokens));
    left -= tokens;
  }
  // What the shares left over, to the first that can use it.
  for (size_t i = 0; i < items.size() && left > 0; ++i) {
    const i64 more = std::min(pending[i].remaining - items[i].tokens, left);
    items[i] = item(pending[i], items[i].tokens + more);
    left -= more;
  }
}

ChunkSize chunk_size(std::span<const ChunkItem> items) {
  ChunkSize size;
  for (const ChunkItem& each : items) {
    size.tokens += each.tokens;
    size.pairs += each.tokens * each.begin + each.tokens * (each.tokens + 1) / 2;
  }
  return size;
}

}  // namespace fathom::engine
