#include "engine/cache/paged_cache.h"

#include <algorithm>

#include "base/check.h"
#include "base/checked_math.h"

namespace fathom::engine {

using device::kPageTokens;

PagedCache::PagedCache(const device::PageShape& shape, const PagedCacheOptions& options,
                       DiskTier* tier)
    : pool_(shape, options.num_pages),
      index_(pool_, tier == nullptr ? random_secret() : tier->secret(), options.max_share),
      tier_(tier) {}

PageId PagedCache::allocate() {
  if (pool_.num_free() == 0) evict();
  return pool_.allocate();
}

void PagedCache::retain(PageId page) {
  pool_.retain(page);
  index_.references_changed(page);
}

void PagedCache::release(PageId page) {
  ++releases_;
  pool_.release(page);
  index_.references_changed(page);
}

bool PagedCache::evict() {
  PrefixIndex::Node* const victim = index_.victim();
  if (victim == nullptr) return false;
  if (tier_ != nullptr) spill(*victim);  // what was written may have left the disk since
  ++victim->owner->stats.evictions;
  index_.drop(*victim);
  return true;
}

i64 PagedCache::flush(std::string_view owner) {
  if (tier_ != nullptr) tier_->flush(owner);
  ++releases_;
  return index_.flush(owner);
}

CacheHit PagedCache::lookup(const Namespace& space, std::span<const i32> ids,
                            const LookupOptions& options) {
  const i64 limit = std::clamp<i64>(options.limit_tokens, 0, std::ssize(ids));
  PrefixIndex::Position at = index_.root(space);
  CacheHit hit;
  i64 reads_left = options.max_disk_pages;
  for (i64 done = 0; hit.partial == kNoPage && done < limit;) {
    const auto text = ids.subspan(static_cast<size_t>(done),
                                  static_cast<size_t>(std::min(limit - done, kPageTokens)));
    const PrefixIndex::Match match = longest(at, text, options.rows, &reads_left);
    if (match.node == nullptr) break;
    retain(match.node->page);
    if (hit.exact_tokens == done) {
      hit.exact_tokens += std::min(match.tokens, match.node->exact_tokens);
    }
    done += match.tokens;
    at = PrefixIndex::behind(*match.node);
    if (match.tokens == kPageTokens) {
      hit.pages.push_back(match.node->page);
    } else {
      hit.partial = match.node->page;
      hit.partial_tokens = match.tokens;
    }
  }
  hit.more_on_disk = reads_left < 0;
  if (at.node != nullptr) index_.use(*at.node);
  return hit;
}

void PagedCache::count_query(std::string_view owner, i64 limit_tokens, i64 found_tokens) {
  CacheStats& stats = index_.owner(owner).stats;
  ++stats.queries;
  stats.queried_tokens += limit_tokens;
  stats.hits += found_tokens > 0 ? 1 : 0;
  stats.hit_tokens += found_tokens;
}

CacheState PagedCache::state(std::string_view owner) const {
  return {.inserts = index_.num_inserts(owner), .releases = releases_};
}

PrefixIndex::Match PagedCache::longest(const PrefixIndex::Position& at, std::span<const i32> text,
                                       RowKind rows, i64* reads_left) {
  const PrefixIndex::Match held = index_.longest(at, text, rows);
  if (tier_ == nullptr || held.tokens == std::ssize(text)) return held;
  const DiskTier::Match stored = tier_->longest(at.key, text, rows);
  if (stored.tokens <= held.tokens || --*reads_left < 0) return held;
  read(at, stored.key);
  return index_.longest(at, text, rows);  // what was held may have made room
}

void PagedCache::read(const PrefixIndex::Position& at, const ChainKey& key) {
  const PageId page = allocate();
  if (page == kNoPage) return;
  if (const PageEntry* entry = tier_->load(key, at.space, data(page))) {
    index_.add(at, entry->token_ids(), page, entry->exact_tokens).is_offered = true;
  }
  release(page);
}

bool PagedCache::spill(PrefixIndex::Node& node) {
  node.is_offered = true;
  if (tier_->has(node)) return true;
  // Children leave memory first, and are of no use on disk without their parents.
  if (node.parent != nullptr && !spill(*node.parent)) return false;
  return tier_->offer(node, node.owner->name, data(node.page));
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
    PrefixIndex::Node& node =
        index_.add(at, page_ids, pages[static_cast<size_t>(done / kPageTokens)],
                   std::clamp<i64>(exact_tokens - done, 0, count));
    if (tier_ != nullptr && !node.is_offered) spill(node);
    at = PrefixIndex::behind(node);
  }
  if (at.node != nullptr) index_.use(*at.node);
}

}  // namespace fathom::engine
