#pragma once
// A cache's rows for tests.
#include <vector>

#include "base/checked_math.h"
#include "device/paged_rows.h"

namespace fathom::testing {

/// One layer of one sequence in pages that do not follow one another in memory: the last comes
/// first, with strange bytes between any two.
class PagedCache {
 public:
  PagedCache(const device::CacheRowLayout& layout, i64 rows) : layout_(layout) {
    const i64 pages = ceil_div(rows, device::kPageTokens);
    const i64 page_bytes = kOffsetBytes + device::kPageTokens * layout.row_bytes();
    memory_.assign(static_cast<size_t>(pages * page_bytes), 0xa5);
    for (i64 page = 0; page < pages; ++page) {
      pages_.push_back(memory_.data() + (pages - 1 - page) * page_bytes);
    }
  }
  PagedCache(const PagedCache&) = delete;
  PagedCache& operator=(const PagedCache&) = delete;

  device::PagedRows rows() const {
    return {.layout = layout_, .pages = pages_.data(), .offset_bytes = kOffsetBytes};
  }
  u8* const* pages() const { return pages_.data(); }
  /// Of the rows within a page, as behind the rows of another layer.
  static constexpr i64 kOffsetBytes = 192;

 private:
  device::CacheRowLayout layout_;
  std::vector<u8> memory_;
  std::vector<u8*> pages_;
};

}  // namespace fathom::testing
