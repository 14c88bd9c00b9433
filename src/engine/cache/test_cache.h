#pragma once
// For the tests of the cache with a disk: sequences that write rows and look whether they come
// back.
#include <gtest/gtest.h>

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/checked_math.h"
#include "engine/cache/disk_tier.h"
#include "engine/cache/paged_cache.h"
#include "engine/cache/test_pages.h"

namespace fathom::engine {

/// A cache over a directory, as one process has it.
struct CacheOnDisk {
  explicit CacheOnDisk(const DiskTierOptions& options, i64 num_pages = 64)
      : tier(options, kTestShape), cache(kTestShape, {.num_pages = num_pages}, &tier) {}

  static std::string mark(const Namespace& space) {
    return std::string(space.owner) + "/" + std::string(space.salt);
  }

  /// A sequence that computes all rows of `ids` and ends.
  void run(const Namespace& space, std::span<const i32> ids, i64 exact_tokens) {
    std::vector<PageId> pages;
    for (i64 t = 0; t < std::ssize(ids); ++t) {
      if (t % device::kPageTokens == 0) pages.push_back(cache.allocate());
      write_mark(cache.data(pages.back()), t % device::kPageTokens,
                 row_mark(mark(space), ids, t, t < exact_tokens));
    }
    cache.insert(space, ids, pages, exact_tokens);
    for (const PageId page : pages) cache.release(page);
  }
  void run(const Namespace& space, std::span<const i32> ids) { run(space, ids, std::ssize(ids)); }

  /// How many tokens hit; their rows are the ones of this text in this namespace.
  i64 look(const Namespace& space, std::span<const i32> ids, LookupOptions options = {}) {
    if (options.limit_tokens == 0) options.limit_tokens = std::ssize(ids);
    const CacheHit hit = cache.lookup(space, ids, options);
    more_on_disk = hit.more_on_disk;
    for (i64 t = 0; t < hit.tokens(); ++t) {
      const size_t p = static_cast<size_t>(t / device::kPageTokens);
      u8* const page = cache.data(p < hit.pages.size() ? hit.pages[p] : hit.partial);
      const auto is = [&](bool exact) {
        return has_mark(page, t % device::kPageTokens, row_mark(mark(space), ids, t, exact));
      };
      EXPECT_TRUE(is(true) || (is(false) && t >= hit.exact_tokens)) << "row " << t;
    }
    for (const PageId page : hit.pages) cache.release(page);
    if (hit.partial != kNoPage) cache.release(hit.partial);
    return hit.tokens();
  }
  /// Nothing is left in memory afterwards.
  void forget_memory() {
    std::vector<PageId> pages;
    for (PageId page; (page = cache.allocate()) != kNoPage;) pages.push_back(page);
    for (const PageId page : pages) cache.release(page);
    tier.wait_idle();
  }

  DiskTier tier;
  PagedCache cache;
  bool more_on_disk = false;
};

}  // namespace fathom::engine
