#include "engine/run/sequence_pages.h"

#include <algorithm>
#include <cstring>

namespace fathom::engine {
namespace {

using device::kPageTokens;

Namespace space_of(const GenerateRequest& request) {
  return {.owner = request.tenant, .salt = request.cache_salt};
}

}  // namespace

/// MTP rows may be read before they are written: the last ones of a prefix depend on what follows
/// it. They are zeros then, never what another sequence left.
PageId SequencePages::new_page() {
  const PageId page = cache_.allocate();
  if (page == kNoPage || mtp_layers_ == 0) return page;
  const i64 bytes = mtp_layers_ * cache_.shape().layer_bytes();
  std::memset(cache_.data(page) + cache_.shape().page_bytes() - bytes, 0,
              static_cast<size_t>(bytes));
  return page;
}

void SequencePages::take(Sequence& sequence, PageId page) {
  sequence.pages.push_back(page);
  sequence.cache.lend_page(cache_.data(page));
}

bool SequencePages::take_copy(Sequence& sequence, PageId from, i64 rows) {
  const PageId page = new_page();
  if (page == kNoPage) return false;
  cache_.copy_rows(page, from, rows);
  take(sequence, page);
  return true;
}

CacheHit SequencePages::lookup(const Sequence& sequence, i64 limit_tokens, i64 max_disk_pages) {
  const GenerateRequest& request = sequence.request();
  FATHOM_CHECK(sequence.pages.empty(), "a sequence with ", sequence.pages.size(), " pages");
  if (request.cache_use == CacheUse::kNone || limit_tokens <= 0) return {};
  const bool exact = request.cache_use == CacheUse::kExact;
  return cache_.lookup(space_of(request), sequence.ids,
                       {.limit_tokens = limit_tokens,
                        .rows = exact ? RowKind::kExact : RowKind::kAny,
                        .max_disk_pages = max_disk_pages});
}

i64 SequencePages::take_hit(Sequence& sequence, const CacheHit& hit) {
  for (const PageId page : hit.pages) take(sequence, page);
  i64 tokens = std::ssize(hit.pages) * kPageTokens;
  if (hit.partial != kNoPage) {
    if (take_copy(sequence, hit.partial, hit.partial_tokens)) tokens += hit.partial_tokens;
    cache_.release(hit.partial);
  }
  sequence.cache.adopt(tokens);
  sequence.exact_tokens = std::min(hit.exact_tokens, tokens);
  return tokens;
}

std::optional<i64> SequencePages::adopt(Sequence& sequence, i64 limit_tokens) {
  const CacheHit hit = lookup(sequence, limit_tokens, kMaxDiskPages);
  if (!hit.more_on_disk) return take_hit(sequence, hit);
  for (const PageId page : hit.pages) cache_.release(page);
  if (hit.partial != kNoPage) cache_.release(hit.partial);
  return std::nullopt;
}

i64 SequencePages::adopt_from_memory(Sequence& sequence, i64 limit_tokens) {
  return take_hit(sequence, lookup(sequence, limit_tokens, /*max_disk_pages=*/0));
}

void SequencePages::count_query(const Sequence& sequence, i64 limit_tokens, i64 cached_tokens) {
  const GenerateRequest& request = sequence.request();
  if (request.cache_use == CacheUse::kNone || limit_tokens <= 0) return;
  cache_.count_query(request.tenant, limit_tokens, cached_tokens);
}

bool SequencePages::grow(Sequence& sequence, i64 tokens) {
  while (std::ssize(sequence.pages) * kPageTokens < tokens) {
    const PageId page = new_page();
    if (page == kNoPage) return false;
    take(sequence, page);
  }
  return true;
}

void SequencePages::publish(const Sequence& sequence, i64 tokens) {
  if (sequence.request().cache_use == CacheUse::kNone || tokens <= 0) return;
  const i64 pages = (tokens + kPageTokens - 1) / kPageTokens;
  cache_.insert(space_of(sequence.request()),
                std::span(sequence.ids).first(static_cast<size_t>(tokens)),
                std::span(sequence.pages).first(static_cast<size_t>(pages)),
                std::min(sequence.exact_tokens, tokens));
}

void SequencePages::release(Sequence& sequence) {
  sequence.cache.return_pages();
  for (const PageId page : sequence.pages) cache_.release(page);
  sequence.pages.clear();
  sequence.exact_tokens = 0;
}

bool SequencePages::fork(const Sequence& from, Sequence& to, i64 tokens) {
  const i64 whole = tokens / kPageTokens, rest = tokens % kPageTokens;
  for (i64 i = 0; i < whole; ++i) {
    const PageId page = from.pages[static_cast<size_t>(i)];
    cache_.retain(page);
    take(to, page);
  }
  if (rest > 0 && !take_copy(to, from.pages[static_cast<size_t>(whole)], rest)) {
    release(to);
    return false;
  }
  to.cache.adopt(tokens);
  to.exact_tokens = std::min(from.exact_tokens, tokens);
  return true;
}

}  // namespace fathom::engine
