#include "engine/cache/page_pool.h"

#include <cstring>
#include <limits>

#include "base/check.h"
#include "base/checked_math.h"

namespace fathom::engine {
namespace {

i64 pool_bytes(const device::PageShape& shape, i64 num_pages) {
  FATHOM_CHECK(shape.layers > 0 && shape.row_bytes > 0, "a page of ", shape.layers, " layers and ",
               shape.row_bytes, " bytes a row");
  FATHOM_CHECK(num_pages > 0 && num_pages <= std::numeric_limits<PageId>::max(), num_pages,
               " pages");
  return checked_mul(shape.page_bytes(), num_pages).value_or(std::numeric_limits<i64>::max());
}

}  // namespace

PagePool::PagePool(const device::PageShape& shape, i64 num_pages)
    : shape_(shape),
      rows_(Device::kCpu, pool_bytes(shape, num_pages), "the pages of the KV cache"),
      references_(static_cast<size_t>(num_pages), 0) {
  free_.reserve(references_.size());
  for (i64 page = num_pages - 1; page >= 0; --page) free_.push_back(static_cast<PageId>(page));
}

PageId PagePool::allocate() {
  if (free_.empty()) return kNoPage;
  const PageId page = free_.back();
  free_.pop_back();
  references_[static_cast<size_t>(page)] = 1;
  return page;
}

void PagePool::retain(PageId page) { ++used(page); }

void PagePool::release(PageId page) {
  if (--used(page) == 0) free_.push_back(page);
}

i64 PagePool::references(PageId page) const {
  FATHOM_CHECK(page >= 0 && page < num_pages(), "page ", page, " of ", num_pages());
  return references_[static_cast<size_t>(page)];
}

u8* PagePool::data(PageId page) {
  used(page);
  return rows_.data() + page * shape_.page_bytes();
}

void PagePool::copy_rows(PageId to, PageId from, i64 rows) {
  FATHOM_CHECK(to != from && references(to) == 1, "page ", to, " with ", references(to),
               " holders would be overwritten by page ", from);
  FATHOM_CHECK(rows >= 0 && rows <= device::kPageTokens, rows, " rows of a page");
  u8* target = data(to);
  const u8* source = data(from);
  for (i64 layer = 0; layer < shape_.layers; ++layer) {
    const i64 offset = layer * shape_.layer_bytes();
    std::memcpy(target + offset, source + offset, static_cast<size_t>(rows * shape_.row_bytes));
  }
}

i32& PagePool::used(PageId page) {
  FATHOM_CHECK(references(page) > 0, "page ", page, " is free");
  return references_[static_cast<size_t>(page)];
}

}  // namespace fathom::engine
