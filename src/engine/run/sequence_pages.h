#pragma once
// Which pages a sequence holds, and what it finds in and leaves to the cache.
#include "engine/cache/paged_cache.h"
#include "engine/run/sequence.h"

namespace fathom::engine {

/// Pages that a step reads from disk: some milliseconds each, in which nobody decodes.
inline constexpr i64 kMaxDiskPages = 4;

class SequencePages {
 public:
  /// The last `mtp_layers` layers of a page are MTP modules' (and routes, behind these).
  SequencePages(PagedCache& cache, i64 mtp_layers) : cache_(cache), mtp_layers_(mtp_layers) {}

  /// Takes the pages of the longest prefix of the sequence's tokens that is cached, `limit_tokens`
  /// at most. Returns how many tokens it has; nothing, and it takes none, if there are more on disk
  /// than a call reads: the next one goes on. The sequence must hold no pages.
  std::optional<i64> adopt(Sequence& sequence, i64 limit_tokens);
  /// The same of what memory has.
  i64 adopt_from_memory(Sequence& sequence, i64 limit_tokens);
  /// A sequence began with `cached_tokens` of the `limit_tokens` that it could have found.
  void count_query(const Sequence& sequence, i64 limit_tokens, i64 cached_tokens);
  /// Pages for `tokens` tokens. False if there are none left; those that it got it keeps.
  bool grow(Sequence& sequence, i64 tokens);
  /// Leaves what is computed to requests that begin alike: whole pages, at the end of a prompt or
  /// of a sequence the last one too.
  void publish(const Sequence& sequence, i64 tokens);
  /// Gives all pages back.
  void release(Sequence& sequence);
  /// `to`, which holds no pages, gets the first `tokens` tokens of `from`: whole pages are shared,
  /// the last one is copied. False if there is no page for the copy; `to` holds none then.
  bool fork(const Sequence& from, Sequence& to, i64 tokens);

 private:
  PageId new_page();
  void take(Sequence& sequence, PageId page);
  bool take_copy(Sequence& sequence, PageId from, i64 rows);
  CacheHit lookup(const Sequence& sequence, i64 limit_tokens, i64 max_disk_pages);
  i64 take_hit(Sequence& sequence, const CacheHit& hit);

  PagedCache& cache_;
  i64 mtp_layers_;
};

}  // namespace fathom::engine
