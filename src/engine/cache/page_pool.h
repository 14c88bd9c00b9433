#pragma once
// The memory of all cached rows, in pages that sequences share.
#include <vector>

#include "base/types.h"
#include "device/paged_rows.h"
#include "tensor/buffer.h"

namespace fathom::engine {

/// A page of a PagePool.
using PageId = i32;
inline constexpr PageId kNoPage = -1;

/// Pages with reference counts. Nothing is allocated after construction and every call takes the
/// same time whatever the pool's size. For one thread.
class PagePool {
 public:
  /// The system gives memory to a page when it is first written. Throws Error{kOutOfMemory} if
  /// `num_pages` pages can never fit.
  PagePool(const device::PageShape& shape, i64 num_pages);

  /// A page with one reference, its rows as the last user left them; kNoPage if all are in use.
  PageId allocate();
  void retain(PageId page);
  /// The last release gives the page back.
  void release(PageId page);
  /// 0 for a free page.
  i64 references(PageId page) const;

  /// [layers, kPageTokens, row], of shape().page_bytes().
  u8* data(PageId page);
  /// The first `rows` rows of every layer of `from` go to `to`, which nobody else may hold.
  void copy_rows(PageId to, PageId from, i64 rows);

  i64 num_free() const { return static_cast<i64>(free_.size()); }
  i64 num_pages() const { return static_cast<i64>(references_.size()); }
  const device::PageShape& shape() const { return shape_; }

 private:
  i32& used(PageId page);

  device::PageShape shape_;
  Buffer rows_;
  std::vector<i32> references_;  // by page
  std::vector<PageId> free_;     // the last one is the next: its memory is there already
};

}  // namespace fathom::engine
