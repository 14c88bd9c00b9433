#include "engine/cache/spilled_rows.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/check.h"
#include "base/log.h"
#include "engine/cache/test_cache.h"
#include "testing/temp_dir.h"

namespace fathom::engine {
namespace {

using device::kPageTokens;

class SpilledRowsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    log::set_level(log::Level::kError);
    disk_.tier.wait_idle();
  }
  void TearDown() override { log::set_level(log::Level::kInfo); }

  /// Memory of so many pages, with a mark in every row.
  void fill(i64 tokens) {
    ids_ = counting(tokens);
    rows_.assign(static_cast<size_t>(ceil_div(tokens, kPageTokens) * kTestShape.page_bytes()), 0);
    pages_.clear();
    for (i64 t = 0; t < tokens; ++t) {
      if (t % kPageTokens == 0) {
        pages_.push_back(rows_.data() + t / kPageTokens * kTestShape.page_bytes());
      }
      write_mark(pages_.back(), t % kPageTokens, static_cast<u64>(1000 + t));
    }
  }
  /// How many of the rows come back as they were.
  i64 read(SpilledRows& spilled) {
    std::vector<u8> page(static_cast<size_t>(kTestShape.page_bytes()));
    i64 at = spilled.begin();
    while (at < spilled.end()) {
      if (spilled.read(at, page.data()) != SpilledRows::Outcome::kRead) break;
      const i64 end = std::min(at + kPageTokens, spilled.end());
      for (; at < end; ++at) {
        EXPECT_TRUE(has_mark(page.data(), at % kPageTokens, static_cast<u64>(1000 + at)));
      }
    }
    return at;
  }

  testing::TempDir dir_;
  CacheOnDisk disk_{{.directory = dir_.path() / "pages", .max_bytes = 1 << 20, .content = "w"}};
  std::vector<i32> ids_;
  std::vector<u8> rows_;
  std::vector<u8*> pages_;
};

TEST_F(SpilledRowsTest, ComeBackAndLeaveNothing) {
  fill(700);
  {
    SpilledRows spilled(disk_.tier);
    spilled.write("alice", ids_, 256, pages_);
    EXPECT_EQ(spilled.begin(), 256);
    EXPECT_EQ(spilled.end(), 700);
    disk_.tier.wait_idle();
    EXPECT_EQ(read(spilled), 700);
    EXPECT_EQ(disk_.tier.stats().files, 4);
    EXPECT_EQ(disk_.look({"alice", ""}, ids_), 0) << "they are nobody else's";
  }
  disk_.tier.wait_idle();
  EXPECT_EQ(disk_.tier.stats().files, 0);
}

TEST_F(SpilledRowsTest, TwoSequencesWithOneTextAreApart) {
  fill(200);
  SpilledRows first(disk_.tier), second(disk_.tier);
  first.write("alice", ids_, 0, pages_);
  write_mark(pages_[0], 5, 1);
  second.write("alice", ids_, 0, pages_);
  disk_.tier.wait_idle();
  EXPECT_EQ(disk_.tier.stats().files, 4);
  EXPECT_EQ(read(first), 200);
}

TEST_F(SpilledRowsTest, ADamagedPageIsGoneAndThoseBeforeItAreNot) {
  fill(500);
  SpilledRows spilled(disk_.tier);
  spilled.write("alice", ids_, 0, pages_);
  disk_.tier.wait_idle();
  std::vector<u8> page(static_cast<size_t>(kTestShape.page_bytes()));
  ASSERT_EQ(read(spilled), 500);
  // The file of the last page is the shortest one.
  std::filesystem::path shortest;
  for (const auto& entry : std::filesystem::directory_iterator(dir_.path() / "pages")) {
    if (entry.path().extension() != ".page") continue;
    if (shortest.empty() || entry.file_size() < file_size(shortest)) shortest = entry.path();
  }
  std::fstream(shortest, std::ios::in | std::ios::out | std::ios::binary).seekp(-1, std::ios::end)
      << '\x7f';
  EXPECT_EQ(read(spilled), 384);
  EXPECT_EQ(disk_.tier.stats().damaged, 1);
}

// A tier that takes no more keeps the first pages.
TEST_F(SpilledRowsTest, WhatHasNoRoomIsLeftOut) {
  CacheOnDisk small({.directory = dir_.path() / "small", .max_bytes = 20'000, .content = "w"});
  small.tier.wait_idle();
  fill(2000);
  SpilledRows spilled(small.tier);
  spilled.write("alice", ids_, 128, pages_);
  small.tier.wait_idle();
  EXPECT_LT(spilled.end(), 2000);
  EXPECT_LE(small.tier.stats().size_bytes, 20'000);
  EXPECT_EQ(read(spilled), spilled.end());
}

TEST_F(SpilledRowsTest, BeginAtAPage) {
  fill(300);
  SpilledRows spilled(disk_.tier);
  EXPECT_THROW(spilled.write("alice", ids_, 100, pages_), InternalError);
  EXPECT_THROW(spilled.write("alice", ids_, 384, pages_), InternalError);
}

}  // namespace
}  // namespace fathom::engine
