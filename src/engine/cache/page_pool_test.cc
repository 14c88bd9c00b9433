#include "engine/cache/page_pool.h"

#include <gtest/gtest.h>

#include <cstring>
#include <set>

#include "base/check.h"
#include "base/error.h"
#include "engine/cache/test_pages.h"

namespace fathom::engine {
namespace {

TEST(PagePool, EveryPageOnceThenNone) {
  PagePool pool(kTestShape, 5);
  std::set<PageId> pages;
  for (int i = 0; i < 5; ++i) {
    const PageId page = pool.allocate();
    EXPECT_TRUE(pages.insert(page).second);
    EXPECT_EQ(pool.num_free(), 4 - i);
    std::memset(pool.data(page), i, static_cast<size_t>(kTestShape.page_bytes()));
  }
  EXPECT_EQ(pool.allocate(), kNoPage);
  EXPECT_EQ(pages, (std::set<PageId>{0, 1, 2, 3, 4}));
  int i = 0;
  for (const PageId page : {0, 1, 2, 3, 4}) {  // no page reaches into another
    EXPECT_EQ(pool.data(page)[0], pool.data(page)[kTestShape.page_bytes() - 1]) << i++;
  }
}

TEST(PagePool, AReleasedPageIsTheNextOne) {
  PagePool pool(kTestShape, 3);
  const PageId a = pool.allocate(), b = pool.allocate();
  pool.release(a);
  EXPECT_EQ(pool.allocate(), a) << "its memory is there already";
  EXPECT_NE(pool.allocate(), b);
}

TEST(PagePool, TheLastReleaseGivesThePageBack) {
  PagePool pool(kTestShape, 1);
  const PageId page = pool.allocate();
  pool.retain(page);
  EXPECT_EQ(pool.references(page), 2);
  pool.release(page);
  EXPECT_EQ(pool.num_free(), 0);
  pool.release(page);
  EXPECT_EQ(pool.num_free(), 1);
  EXPECT_EQ(pool.references(page), 0);
}

TEST(PagePool, AFreePageIsNobodys) {
  PagePool pool(kTestShape, 2);
  const PageId page = pool.allocate(), other = pool.allocate();
  pool.release(page);
  EXPECT_THROW(pool.release(page), InternalError);
  EXPECT_THROW(pool.retain(page), InternalError);
  EXPECT_THROW(pool.data(page), InternalError);
  EXPECT_THROW(pool.copy_rows(other, page, 1), InternalError);
  EXPECT_THROW(pool.copy_rows(page, other, 1), InternalError);
  EXPECT_THROW(pool.data(2), InternalError);
  EXPECT_THROW(pool.data(kNoPage), InternalError);
  EXPECT_EQ(pool.num_free(), 1);
}

TEST(PagePool, CopiesTheFirstRowsOfEveryLayer) {
  PagePool pool(kTestShape, 2);
  const PageId from = pool.allocate(), to = pool.allocate();
  for (i64 row = 0; row < device::kPageTokens; ++row) {
    write_mark(pool.data(from), row, 1000 + static_cast<u64>(row));
    write_mark(pool.data(to), row, 0);
  }
  pool.copy_rows(to, from, 100);
  for (i64 row = 0; row < device::kPageTokens; ++row) {
    EXPECT_TRUE(has_mark(pool.data(to), row, row < 100 ? 1000 + static_cast<u64>(row) : 0)) << row;
  }
  EXPECT_THROW(pool.copy_rows(to, from, device::kPageTokens + 1), InternalError);
  pool.retain(to);
  EXPECT_THROW(pool.copy_rows(to, from, 1), InternalError) << "somebody else reads it";
}

TEST(PagePool, WhatCanNeverFitIsSaid) {
  EXPECT_THROW(PagePool({.layers = 61, .row_bytes = 1152}, i64{1} << 30), Error);
  EXPECT_THROW(PagePool({.layers = i64{1} << 40, .row_bytes = 1152}, i64{1} << 30), Error);
  EXPECT_THROW(PagePool(kTestShape, 0), InternalError);
}

}  // namespace
}  // namespace fathom::engine
