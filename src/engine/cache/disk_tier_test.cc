#include "engine/cache/disk_tier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "engine/cache/test_cache.h"
#include "testing/temp_dir.h"

namespace fathom::engine {
namespace {

namespace fs = std::filesystem;

class DiskTierTest : public ::testing::Test {
 protected:
  void SetUp() override { log::set_level(log::Level::kError); }
  void TearDown() override { log::set_level(log::Level::kInfo); }

  DiskTierOptions options(const std::string& content = "weights A") const {
    return {.directory = dir_ / "pages", .max_bytes = i64{1} << 30, .content = content};
  }
  /// As after a restart, everything looked at.
  void open(const DiskTierOptions& options, i64 num_pages = 64) {
    disk_.reset();
    disk_.emplace(options, num_pages);
    disk_->tier.wait_idle();
  }
  void open() { open(options()); }
  std::vector<fs::path> files() const {
    std::vector<fs::path> result;
    for (const auto& entry : fs::directory_iterator(dir_ / "pages")) {
      if (entry.path().extension() == ".page") result.push_back(entry.path());
    }
    return result;
  }
  i64 bytes_of_files() const {
    i64 bytes = 0;
    for (const fs::path& file : files()) bytes += static_cast<i64>(fs::file_size(file));
    return bytes;
  }
  static void flip_byte(const fs::path& path, i64 offset_from_end) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(-offset_from_end, std::ios::end);
    const int byte = file.get();
    file.seekp(-offset_from_end, std::ios::end);
    file.put(static_cast<char>(byte ^ 0x10));
  }

  testing::TempDir dir_;
  std::optional<CacheOnDisk> disk_;
};

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

TEST_F(DiskTierTest, ADamagedFileIsAMissIsRemovedAndCounted) {
  const std::vector<i32> ids = counting(128);
  for (const i64 from_end : {1, 3000, 6000, 6145, 6500, 6880}) {  // rows, then the header
    SCOPED_TRACE(from_end);
    fs::remove_all(dir_ / "pages");
    open();
    disk_->run(kAlice, ids);
    disk_.reset();
    ASSERT_EQ(files().size(), 1u);
    flip_byte(files()[0], from_end);
    open();
    EXPECT_EQ(disk_->look(kAlice, ids), 0);
    disk_->tier.wait_idle();
    EXPECT_EQ(disk_->tier.stats().damaged, 1);
    EXPECT_EQ(disk_->tier.stats().size_bytes, 0);
    EXPECT_TRUE(files().empty());
    disk_->run(kAlice, ids);
    open();
    EXPECT_EQ(disk_->look(kAlice, ids), 128) << "and can be written again";
  }
}

TEST_F(DiskTierTest, DamageWhileItRunsIsAMissToo) {
  open();
  const std::vector<i32> ids = counting(256);
  disk_->run(kAlice, ids);
  disk_->forget_memory();
  for (const fs::path& file : files()) fs::resize_file(file, 1000);
  EXPECT_EQ(disk_->look(kAlice, ids), 0);
  EXPECT_EQ(disk_->tier.stats().damaged, 1);
  disk_->run(kAlice, ids);
  disk_->forget_memory();
  for (const fs::path& file : files()) fs::remove(file);
  EXPECT_EQ(disk_->look(kAlice, ids), 0);
  EXPECT_EQ(disk_->tier.stats().damaged, 1) << "what is gone is not damaged";
}

TEST_F(DiskTierTest, PagesOfOtherWeightsAreNoUseAndGoFirst) {
  const std::vector<i32> ids = counting(256);
  open(options("weights A"));
  disk_->run(kAlice, ids);
  open(options("weights B"));
  EXPECT_EQ(disk_->tier.stats().foreign_files, 2);
  EXPECT_EQ(disk_->look(kAlice, ids), 0);
  disk_->run(kAlice, ids);
  open(options("weights A"));
  EXPECT_EQ(disk_->look(kAlice, ids), 256) << "they were left";
  EXPECT_EQ(disk_->tier.stats().damaged, 0);
  DiskTierOptions small = options("weights B");
  small.max_bytes = bytes_of_files() / 4 * 3;
  open(small);
  EXPECT_EQ(disk_->tier.stats().foreign_files, 1);
  disk_->run(kAlice, counting(128, 5000));
  open(small);
  EXPECT_EQ(disk_->tier.stats().foreign_files, 0);
  EXPECT_EQ(disk_->look(kAlice, ids), 256);
}

TEST_F(DiskTierTest, AFileUnderAnotherKeyIsRemoved) {
  open();
  disk_->run(kAlice, counting(128));
  disk_->run(kBob, counting(128));
  disk_.reset();
  const std::vector<fs::path> both = files();
  fs::copy_file(both[0], both[1], fs::copy_options::overwrite_existing);
  open();
  EXPECT_EQ(disk_->tier.stats().damaged, 1);
  EXPECT_EQ(disk_->look(kAlice, counting(128)) + disk_->look(kBob, counting(128)), 128);
}

TEST_F(DiskTierTest, WithAnotherSecretNothingIsFound) {
  open();
  disk_->run(kAlice, counting(300));
  disk_.reset();
  struct stat status = {};
  ASSERT_EQ(::stat((dir_ / "pages/secret").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  for (const size_t bytes : {32u, 31u, 0u}) {  // of another directory; damaged
    dir_.write("pages/secret", std::string(bytes, 'x'));
    open();
    EXPECT_EQ(disk_->look(kAlice, counting(300)), 0);
    EXPECT_EQ(disk_->tier.stats().damaged, 3);
    EXPECT_TRUE(files().empty());
    disk_->run(kAlice, counting(300));
    open();
    EXPECT_EQ(disk_->look(kAlice, counting(300)), 300);
    disk_.reset();
  }
}

TEST_F(DiskTierTest, FlushRemovesAnOwnersFiles) {
  const std::vector<i32> ids = counting(300);
  open();
  disk_->run(kAlice, ids);
  disk_->run({"alice", "salt"}, ids);
  disk_->run(kBob, ids);
  disk_->cache.flush("alice");
  EXPECT_EQ(disk_->look(kAlice, ids), 0);
  EXPECT_EQ(disk_->look({"alice", "salt"}, ids), 0);
  disk_->tier.wait_idle();
  EXPECT_EQ(files().size(), 3u);
  open();
  EXPECT_EQ(disk_->look(kAlice, ids), 0);
  EXPECT_EQ(disk_->look(kBob, ids), 300);
}

TEST_F(DiskTierTest, FlushRemovesFilesThatAreNotKnownYet) {
  const std::vector<i32> ids = counting(128 * 50);
  open();
  disk_->run(kAlice, ids);
  disk_->run(kBob, counting(128));
  disk_.reset();
  ASSERT_EQ(files().size(), 51u);
  disk_.emplace(options());
  disk_->cache.flush("alice");
  disk_->run(kAlice, counting(128));  // comes after it
  disk_->tier.wait_idle();
  EXPECT_EQ(files().size(), 2u);
  open();
  EXPECT_EQ(disk_->look(kAlice, ids), 128);
  EXPECT_EQ(disk_->look(kBob, ids), 128);
}

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

TEST_F(DiskTierTest, OtherFilesAreLeft) {
  open();
  disk_->run(kAlice, counting(128));
  disk_.reset();
  dir_.write("pages/README", "ours");
  dir_.write("pages/1234.page", "ours");
  fs::create_directory(dir_ / "pages" / (std::string(64, 'a') + ".page"));
  open();
  EXPECT_EQ(disk_->look(kAlice, counting(128)), 128);
  EXPECT_EQ(disk_->tier.stats().damaged, 0);
  disk_.reset();
  EXPECT_EQ(dir_.read("pages/README"), "ours");
  EXPECT_EQ(dir_.read("pages/1234.page"), "ours");
}

TEST_F(DiskTierTest, TwoProcessesOrOthersEyesAreRefused) {
  open();
  EXPECT_THROW(DiskTier(options(), kTestShape), Error);
  disk_.reset();
  ASSERT_EQ(::chmod((dir_ / "pages").c_str(), 0755), 0);
  try {
    const DiskTier refused(options(), kTestShape);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.message(), ::testing::HasSubstr("has mode 0755"));
  }
}

/// Writes and evicts until it is killed.
[[noreturn]] void write_until_killed(const DiskTierOptions& options, i32 first) {
  CacheOnDisk disk(options, 16);
  for (i32 i = 0;; ++i) {
    disk.run(kAlice, counting(100 + 97 * (i % 5), first + 1000 * (i % 40)));
    if (i % 50 == 49) disk.cache.flush("bob");
  }
}

TEST_F(DiskTierTest, KilledAtAnyMomentItLeavesWholePagesOrNone) {
  DiskTierOptions small = options();
  small.max_bytes = 200'000;  // so that files are removed as well
  std::mt19937 random(7);
  i64 found = 0;
  for (i32 round = 0; round < 12; ++round) {
    const pid_t child = ::fork();
    if (child == 0) write_until_killed(small, round);
    ::usleep(static_cast<useconds_t>(2'000 + random() % 60'000));
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
    open(small);
    const DiskStats stats = disk_->tier.stats();
    ASSERT_EQ(stats.damaged, 0);
    ASSERT_EQ(stats.size_bytes, bytes_of_files());
    for (const auto& entry : fs::directory_iterator(dir_ / "pages")) {
      const std::string name = entry.path().filename().string();
      ASSERT_TRUE(name == "secret" || name.ends_with(".page")) << name;
    }
    for (i32 i = 0; i < 40; ++i) {
      found += disk_->look(kAlice, counting(100 + 97 * (i % 5), round + 1000 * i));
    }
    ASSERT_EQ(disk_->tier.stats().damaged, 0);
    disk_.reset();
  }
  EXPECT_GT(found, 1000);
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
