#include "engine/cache/disk_tier.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <random>
#include <vector>

#include "engine/cache/test_disk_tier.h"

namespace fathom::engine {
namespace {

TEST_F(DiskTierTest, PagesOutliveTheProcess) {
  const std::vector<i32> ids = counting(1000);
  open();
  disk_->run(kAlice, ids, 900);
  open();
  EXPECT_EQ(disk_->look(kAlice, ids), 1000);
  EXPECT_EQ(disk_->tier.stats().pages_read, 8);
  EXPECT_EQ(disk_->look(kAlice, ids), 1000);
  EXPECT_EQ(disk_->tier.stats().pages_read, 8) << "they are in memory again";
  open();
  EXPECT_EQ(disk_->look(kAlice, ids, {.rows = RowKind::kExact}), 900);
  EXPECT_EQ(disk_->look(kAlice, ids, {.limit_tokens = 950}), 950);
  EXPECT_EQ(disk_->look(kBob, ids), 0);
  EXPECT_EQ(disk_->look({"alice", "salt"}, ids), 0);
}

TEST_F(DiskTierTest, PagesOutliveEviction) {
  open(options(), 4);
  const std::vector<i32> a = counting(500), b = counting(500, 1000);
  disk_->run(kAlice, a);
  disk_->tier.wait_idle();
  disk_->run(kAlice, b);
  disk_->tier.wait_idle();
  EXPECT_EQ(disk_->look(kAlice, a), 500);
  EXPECT_EQ(disk_->look(kAlice, b), 500);
  EXPECT_EQ(disk_->cache.stats().at("alice").pages, 4);
  EXPECT_EQ(disk_->tier.stats().pages_written, 8) << "once each";
}

// Memory has a page that shares fewer tokens than one on disk does.
TEST_F(DiskTierTest, TheLongerOfMemoryAndDiskServes) {
  open();
  const std::vector<i32> ids = counting(200);
  std::vector<i32> fork(ids.begin(), ids.begin() + 150);
  fork.push_back(-1);
  disk_->run(kAlice, ids);
  open();
  disk_->run(kAlice, fork);
  EXPECT_EQ(disk_->look(kAlice, ids), 200);
  disk_->tier.wait_idle();
  const i64 read = disk_->tier.stats().pages_read;
  fork.push_back(-2);
  EXPECT_EQ(disk_->look(kAlice, fork), 151);
  EXPECT_EQ(disk_->tier.stats().pages_read, read) << "what the disk has too is not read";
}

TEST_F(DiskTierTest, ALookupReadsNoMorePagesThanItMay) {
  open();
  const std::vector<i32> ids = counting(600);
  disk_->run(kAlice, ids);
  open();
  EXPECT_EQ(disk_->look(kAlice, ids, {.max_disk_pages = 0}), 0);
  EXPECT_TRUE(disk_->more_on_disk);
  EXPECT_EQ(disk_->look(kAlice, ids, {.max_disk_pages = 2}), 256);
  EXPECT_TRUE(disk_->more_on_disk);
  EXPECT_EQ(disk_->look(kAlice, ids, {.max_disk_pages = 2}), 512);
  EXPECT_EQ(disk_->look(kAlice, ids, {.max_disk_pages = 2}), 600);
  EXPECT_FALSE(disk_->more_on_disk);
}

TEST_F(DiskTierTest, AnExactPageReplacesATaintedOne) {
  open();
  const std::vector<i32> ids = counting(300);
  disk_->run(kAlice, ids, 0);
  disk_->run(kAlice, ids, 280);
  open();
  EXPECT_EQ(disk_->look(kAlice, ids, {.rows = RowKind::kExact}), 280);
  EXPECT_EQ(disk_->look(kAlice, ids), 300);
  EXPECT_EQ(disk_->tier.stats().files, 3);
}

TEST_F(DiskTierTest, ALongerPageTakesTheShorterOnesPlace) {
  open();
  const std::vector<i32> ids = counting(300);
  for (const size_t length : {20u, 50u, 200u, 300u})
    disk_->run(kAlice, std::span(ids).first(length));
  disk_->tier.wait_idle();
  EXPECT_EQ(files().size(), 3u);
  open();
  EXPECT_EQ(disk_->look(kAlice, ids), 300);
}

// Requests of two owners at random, with restarts, small memory and a small disk: whatever hits is
// the right row.
TEST_F(DiskTierTest, RandomRequestsFindTheirOwnRows) {
  DiskTierOptions small = options();
  small.max_bytes = 150'000;
  open(small, 16);
  std::mt19937 random(3);
  i64 hit_tokens = 0, read = 0;
  for (int i = 0; i < 400; ++i) {
    std::vector<i32> ids;
    while (ids.size() < 1 + random() % 500) {
      ids.resize(ids.size() + 1 + random() % 128, static_cast<i32>(random() % 4 / 3));
    }
    const Namespace space = {random() % 2 == 0 ? "alice" : "bob", random() % 4 == 0 ? "salt" : ""};
    const RowKind rows = random() % 2 == 0 ? RowKind::kExact : RowKind::kAny;
    hit_tokens += disk_->look(space, ids, {.rows = rows});
    if (random() % 2 == 0) disk_->run(space, ids, static_cast<i64>(random() % (ids.size() + 1)));
    if (random() % 40 == 0) disk_->cache.flush("alice");
    if (random() % 20 == 0) disk_->forget_memory();
    if (random() % 50 == 0) {
      read += disk_->tier.stats().pages_read;
      open(small, 16);
    }
    ASSERT_LE(disk_->tier.stats().size_bytes, small.max_bytes);
    ASSERT_EQ(disk_->tier.stats().damaged, 0);
    for (PageId page = 0; page < 16; ++page) ASSERT_LE(disk_->cache.references(page), 1);
  }
  EXPECT_GT(hit_tokens, 10'000);
  EXPECT_GT(read, 50);
}

}  // namespace
}  // namespace fathom::engine
