// The disk tier's files: damaged, of others, of other weights, removed, cut off by kill -9.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "base/error.h"
#include "engine/cache/test_disk_tier.h"

namespace fathom::engine {
namespace {

namespace fs = std::filesystem;

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

}  // namespace
}  // namespace fathom::engine
