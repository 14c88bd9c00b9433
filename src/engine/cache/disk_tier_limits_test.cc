// What the disk tier costs and keeps when there is too little room, on the disk or in memory.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <vector>

#include "engine/cache/test_disk_tier.h"

namespace fathom::engine {
namespace {

namespace fs = std::filesystem;

TEST_F(DiskTierTest, TheCapHoldsAndWhatIsUsedStays) {
  DiskTierOptions small = options();
  open(small);
  disk_->run(kAlice, counting(128));
  disk_->tier.wait_idle();
  small.max_bytes = bytes_of_files() * 5;
  open(small);
  const std::vector<i32> kept = counting(384);  // three of five
  disk_->run(kAlice, kept);
  for (i32 i = 1; i < 20; ++i) {
    disk_->run(kBob, counting(128, 1000 * i));
    disk_->forget_memory();
    ASSERT_LE(bytes_of_files(), small.max_bytes);
    ASSERT_EQ(disk_->tier.stats().size_bytes, bytes_of_files());
    ASSERT_EQ(disk_->look(kAlice, kept), 384) << i;
    ASSERT_EQ(disk_->look(kBob, counting(128, 1000 * i)), 128);
  }
  EXPECT_EQ(disk_->look(kBob, counting(128, 1000)), 0);
  // Of a text too long for it the beginning stays, which the rest is of no use without.
  open(small);
  disk_->run(kAlice, counting(128 * 9, 7));
  open(small);
  EXPECT_EQ(disk_->look(kAlice, counting(128 * 9, 7)), 128 * 5);
  small.max_bytes = bytes_of_files() / 5 * 2;
  open(small);
  EXPECT_EQ(files().size(), 2u) << "a smaller cap than it was";
  EXPECT_EQ(disk_->look(kAlice, counting(128 * 9, 7)), 256);
}

TEST_F(DiskTierTest, AFullQueueCostsPagesAndNoTime) {
  DiskTierOptions small = options();
  small.queue_bytes = 1;  // one page at a time
  open(small, 8);
  i32 i = 0;
  while (disk_->tier.stats().queue_full == 0 && i < 10'000) {
    disk_->run(kAlice, counting(128, 1000 * i++));
  }
  EXPECT_GT(disk_->tier.stats().queue_full, 0);
  // Offered again when it is evicted.
  disk_->tier.wait_idle();
  const i64 written = disk_->tier.stats().pages_written;
  disk_->cache.flush("bob");
  std::vector<PageId> pages;
  for (PageId page; (page = disk_->cache.allocate()) != kNoPage;) {
    pages.push_back(page);
    disk_->tier.wait_idle();
  }
  EXPECT_GT(disk_->tier.stats().pages_written, written);
}

// A child leaves memory first; on disk it is of no use without its parents.
TEST_F(DiskTierTest, WhatIsEvictedTakesWhatStandsBeforeItAlong) {
  DiskTierOptions small = options();
  small.queue_bytes = 1;
  open(small, 8);
  const std::vector<i32> ids = counting(128 * 8);
  disk_->run(kAlice, ids);
  // One page finds room in the queue at each eviction: from the front on, as they leave from
  // behind.
  std::vector<PageId> pages;
  for (PageId page; (page = disk_->cache.allocate()) != kNoPage;) {
    pages.push_back(page);
    disk_->tier.wait_idle();
  }
  for (const PageId page : pages) disk_->cache.release(page);
  EXPECT_GE(disk_->look(kAlice, ids), 128 * 4);
}

TEST_F(DiskTierTest, APageWithoutItsParentIsNotKept) {
  open();
  ChainHasher hasher(disk_->tier.secret());
  PageEntry page;
  page.space = hasher.root(kAlice);
  page.parent = hasher.next(page.space, counting(128));
  page.key = hasher.next(page.parent, counting(3));
  page.tokens = 3;
  const std::vector<u8> rows(static_cast<size_t>(kTestShape.page_bytes()));
  EXPECT_FALSE(disk_->tier.offer(page, "alice", rows.data()));
  disk_->run(kAlice, counting(128));
  EXPECT_TRUE(disk_->tier.offer(page, "alice", rows.data()));
}

TEST_F(DiskTierTest, ABusyServerLearnsOfItsFilesToo) {
  open();
  disk_->run(kAlice, counting(128 * 10));
  disk_.reset();
  const std::vector<u8> rows(static_cast<size_t>(kTestShape.page_bytes()));
  const io::PrivateDirectory directory(dir_ / "pages");
  DiskWorker worker(directory.path(), {{}, kTestShape}, {}, i64{1} << 30);
  StoredPage page;
  page.tokens = 128;
  for (u8 i = 0; i < 50; ++i) {
    page.key.bytes[0] = i;
    worker.write(page, rows.data());
  }
  worker.wait_idle();
  std::vector<DiskWorker::Report::Kind> kinds;
  for (const auto& report : worker.take_reports(1000)) kinds.push_back(report.kind);
  ASSERT_EQ(kinds.size(), 60u);
  EXPECT_EQ(kinds.back(), DiskWorker::Report::Kind::kWritten) << "all was looked at before";
}

TEST_F(DiskTierTest, ADiskThatCannotBeWrittenCostsPagesAlone) {
  open();
  fs::remove_all(dir_ / "pages");
  disk_->run(kAlice, counting(300));
  disk_->tier.wait_idle();
  EXPECT_GE(disk_->tier.stats().not_written, 3) << "a page that failed may be tried again";
  EXPECT_EQ(disk_->tier.stats().files, 0);
  EXPECT_EQ(disk_->look(kAlice, counting(300)), 300) << "from memory";
  disk_->forget_memory();
  EXPECT_EQ(disk_->look(kAlice, counting(300)), 0);
}

TEST_F(DiskTierTest, AFullDiskLeavesNothingHalfWritten) {
  open();
  disk_.reset();
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit = {4096, 4096};  // bytes of a file
    ::setrlimit(RLIMIT_FSIZE, &limit);
    CacheOnDisk disk(options());
    disk.run(kAlice, counting(200));
    disk.tier.wait_idle();
    const DiskStats stats = disk.tier.stats();
    ::_exit(stats.not_written == 2 && stats.files == 0 ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  for (const auto& entry : fs::directory_iterator(dir_ / "pages")) {
    EXPECT_EQ(entry.path().filename(), "secret");
  }
}

}  // namespace
}  // namespace fathom::engine
