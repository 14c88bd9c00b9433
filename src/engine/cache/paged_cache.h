#pragma once
// The paged cache that the engine's sequences share: rows in pages, found again by their text.
//
// A sequence's way through it:
// - lookup() of its prompt, all but the last token, which must be computed. It keeps hit.pages, and
//   copies rows of hit.partial, which it releases, into a page of its own.
// - allocate() for every page that it fills.
// - insert() as pages fill and when it ends, so that others find them.
// - release() of all its pages. What was inserted stays until room is needed.
#include <limits>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "engine/cache/disk_tier.h"
#include "engine/cache/page_pool.h"
#include "engine/cache/prefix_index.h"

namespace fathom::engine {

struct PagedCacheOptions {
  i64 num_pages = 0;
  double max_share = 0.5;  // of the pages, that an owner keeps while others need some
};

struct LookupOptions {
  i64 limit_tokens = 0;  // no more of the text than this; a prompt's last token must be computed
  RowKind rows = RowKind::kAny;
  // A page of V3 takes some milliseconds to read, in which nobody decodes. Where there are more,
  // the next lookup goes on.
  i64 max_disk_pages = std::numeric_limits<i64>::max();
};

/// The longest prefix that is cached. Every page has a reference for the caller.
struct CacheHit {
  std::vector<PageId> pages;  // full ones, shared: never written to
  PageId partial = kNoPage;   // what comes next begins as this page does, and the caller copies
  i64 partial_tokens = 0;     // these first rows into a page of its own, then releases it
  i64 exact_tokens = 0;       // so many of all these rows, the first ones, are exact
  bool more_on_disk = false;  // max_disk_pages has cut it short

  i64 tokens() const { return std::ssize(pages) * device::kPageTokens + partial_tokens; }
};

/// What an owner's lookup depends on: while it stays, another lookup finds the same, and pages that
/// could not be had cannot be had.
struct CacheState {
  u64 inserts = 0;   // of the owner
  u64 releases = 0;  // of anybody
  bool operator==(const CacheState&) const = default;
};

/// Every call is for the engine's one thread. With a disk tier, pages are written there when they
/// are inserted and, if they are not there, when they are evicted; what is no longer in memory is
/// read back.
class PagedCache {
 public:
  PagedCache(const device::PageShape& shape, const PagedCacheOptions& options,
             DiskTier* tier = nullptr);

  /// A page with one reference, for a sequence's new rows. Evicts where none is free; kNoPage if
  /// all are in use.
  PageId allocate();
  void retain(PageId page);
  void release(PageId page);
  u8* data(PageId page) { return pool_.data(page); }
  /// As PagePool::copy_rows.
  void copy_rows(PageId to, PageId from, i64 rows) { pool_.copy_rows(to, from, rows); }

  /// Counts as a use of what it finds, and in the statistics when count_query() says what came of
  /// it: whoever must wait looks more than once.
  CacheHit lookup(const Namespace& space, std::span<const i32> ids, const LookupOptions& options);
  void count_query(std::string_view owner, i64 limit_tokens, i64 found_tokens);
  CacheState state(std::string_view owner) const;
  /// Publishes a sequence's pages: page p holds the rows of ids [128 p, 128 (p + 1)), the last one
  /// perhaps fewer, and of all ids the first `exact_tokens` have exact rows (glossary). Pages that
  /// are there already stay the ones that are found, unless the new ones have more exact rows. Full
  /// pages must not be written to any more, the last one only behind these ids.
  void insert(const Namespace& space, std::span<const i32> ids, std::span<const PageId> pages,
              i64 exact_tokens);

  /// Drops an owner's pages, whatever their salt; sequences keep the ones they hold.
  i64 flush(std::string_view owner);

  std::map<std::string, CacheStats> stats() const { return index_.stats(); }
  /// Holders of a page, the cache among them.
  i64 references(PageId page) const { return pool_.references(page); }
  /// Pages that allocate() gives out without evicting.
  i64 num_free() const { return pool_.num_free(); }
  /// Pages that are free or that only the cache holds: what allocate() can give out, but for pages
  /// behind which somebody holds others.
  i64 num_available() const { return pool_.num_free() + index_.num_unheld(); }
  i64 num_pages() const { return pool_.num_pages(); }
  const device::PageShape& shape() const { return pool_.shape(); }

 private:
  bool evict();
  PrefixIndex::Match longest(const PrefixIndex::Position& at, std::span<const i32> text,
                             RowKind rows, i64* reads_left);
  void read(const PrefixIndex::Position& at, const ChainKey& key);
  /// Writes a page, and before it the ones that it follows, to disk. False if there is no room.
  bool spill(PrefixIndex::Node& node);

  PagePool pool_;
  PrefixIndex index_;
  DiskTier* tier_;  // null: off
  u64 releases_ = 0;
};

}  // namespace fathom::engine
