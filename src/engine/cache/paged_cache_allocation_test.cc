// What a decode step calls asks the system for no memory once the cache has been full.
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "engine/cache/paged_cache.h"
#include "engine/cache/test_pages.h"
#include "testing/count_allocations.h"

namespace fathom::engine {
namespace {

using PagedCacheAllocation = testing::CountsAllocations;

TEST_F(PagedCacheAllocation, ASteadyStateAllocatesNothing) {
  PagedCache cache(kTestShape, {.num_pages = 16});
  std::vector<i32> ids = counting(500);
  std::vector<PageId> pages;
  pages.reserve(4);
  const auto run = [&](i32 text) {
    ids[0] = text;
    for (int p = 0; p < 4; ++p) {
      pages.push_back(cache.allocate());
      const size_t tokens = std::min<size_t>(ids.size(), pages.size() * device::kPageTokens);
      cache.insert(text % 3 == 0 ? kAlice : kBob, {ids.data(), tokens}, pages,
                   std::min<i64>(static_cast<i64>(tokens), 300));
    }
    for (const PageId page : pages) cache.release(page);
    pages.clear();
  };
  for (i32 text = 0; text < 50; ++text) run(text);
  const i64 before = testing::num_allocations;
  for (i32 text = 50; text < 500; ++text) run(text);
  EXPECT_EQ(testing::num_allocations - before, 0);
  EXPECT_GT(cache.stats().at("alice").evictions, 100);
}

}  // namespace
}  // namespace fathom::engine
