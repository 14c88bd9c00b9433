#include "engine/cache/paged_cache.h"

#include <algorithm>

#include "base/check.h"
#include "base/checked_math.h"

namespace fathom::engine {

using device::kPageTokens;

PagedCache::PagedCache(const device::PageShape& shape, const PagedCacheOptions& options,
                       const ChainSecret& secret)
    : pool_(shape, options.num_pages), index_(pool_, secret, options.max_share) {}

PageId PagedCache::allocate() {
  if (pool_.num_free() == 0) evict();
  return pool_.allocate();
}

void PagedCache::retain(PageId page) {
  pool_.retain(page);
  index_.references_changed(page);
}

void PagedCache::release(PageId page) {
  pool_.release(page);
  index_.references_changed(page);
}

bool PagedCache::evict() {
  PrefixIndex::Node* const victim = index_.victim();
  if (victim == nullptr) return false;
  ++index_.stats(*victim->owner).evictions;
  index_.drop(*victim);
  return true;
}

CacheHit PagedCache::lookup(const Namespace& space, std::span<const i32> ids,
                            const LookupOptions& options) {
  const i64 limit = std::clamp<i64>(options.limit_tokens, 0, std::ssize(ids));
  PrefixIndex::Position at = index_.root(space);
  CacheHit hit;
  i64 done = 0;
  const auto take = [&](const PrefixIndex::Node& node, i64 tokens) {
    retain(node.page);
    if (hit.exact_tokens == done) hit.exact_tokens += std::min(tokens, node.exact_tokens);
    done += tokens;
  };
  while (done + kPageTokens <= limit) {
    const auto page_ids = ids.subspan(static_cast<size_t>(done), kPageTokens);
    PrefixIndex::Node* const node = index_.find(at, page_ids, options.rows);
    if (node == nullptr) break;
    take(*node, kPageTokens);
    hit.pages.push_back(node->page);
    at = PrefixIndex::behind(*node);
  }
  const auto rest = ids.subspan(static_cast<size_t>(done),
                                static_cast<size_t>(std::min(limit - done, kPageTokens)));
  const PrefixIndex::Match match = index_.longest(at, rest, options.rows);
  if (match.node != nullptr) {
    take(*match.node, match.tokens);
    hit.partial = match.node->page;
    hit.partial_tokens = match.tokens;
  }
  PrefixIndex::Node* const last = match.node != nullptr ? match.node : at.node;
  if (last != nullptr) index_.use(*last);

  CacheStats& stats = index_.stats(*at.owner);
  ++stats.queries;
  stats.queried_tokens += limit;
  stats.hits += hit.tokens() > 0 ? 1 : 0;
  stats.hit_tokens += hit.tokens();
  return hit;
}

void PagedCache::insert(const Namespace& space, std::span<const i32> ids,
                        std::span<const PageId> pages, i64 exact_tokens) {
  const i64 tokens = std::ssize(ids);
  FATHOM_CHECK(std::ssize(pages) == ceil_div(tokens, kPageTokens), pages.size(), " pages for ",
               tokens, " tokens");
  FATHOM_CHECK(exact_tokens >= 0 && exact_tokens <= tokens, exact_tokens, " exact tokens of ",
               tokens);
  PrefixIndex::Position at = index_.root(space);
  for (i64 done = 0; done < tokens; done += kPageTokens) {
    const i64 count = std::min(tokens - done, kPageTokens);
    const auto page_ids = ids.subspan(static_cast<size_t>(done), static_cast<size_t>(count));
    at =
        PrefixIndex::behind(index_.add(at, page_ids, pages[static_cast<size_t>(done / kPageTokens)],
                                       std::clamp<i64>(exact_tokens - done, 0, count)));
  }
  if (at.node != nullptr) index_.use(*at.node);
}

}  // namespace fathom::engine
