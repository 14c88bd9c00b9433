#include "io/files/atomic_directory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "base/error.h"
#include "testing/temp_dir.h"

namespace fathom::io {
namespace {

namespace fs = std::filesystem;

void write(const fs::path& path, std::string_view text) { std::ofstream(path) << text; }

std::vector<std::string> names_in(const fs::path& path) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(path)) names.push_back(entry.path().filename());
  std::ranges::sort(names);
  return names;
}

TEST(AtomicDirectory, IsThereOnlyOnceCommitted) {
  testing::TempDir dir;
  {
    AtomicDirectory directory(dir / "made");
    write(directory.path() / "a", "1");
    EXPECT_FALSE(fs::exists(dir / "made"));
    directory.commit();
    EXPECT_EQ(names_in(dir / "made"), std::vector<std::string>{"a"});
  }
  EXPECT_EQ(names_in(dir.path()), std::vector<std::string>{"made"});
}

TEST(AtomicDirectory, ReplacesAWholeDirectory) {
  testing::TempDir dir;
  fs::create_directory(dir / "made");
  write(dir / "made" / "old", "0");
  AtomicDirectory directory(dir / "made");
  write(directory.path() / "new", "1");
  directory.commit();
  EXPECT_EQ(names_in(dir / "made"), std::vector<std::string>{"new"});
  EXPECT_EQ(names_in(dir.path()), std::vector<std::string>{"made"});
}

TEST(AtomicDirectory, WhatIsThereStaysWhereItMustNotBeReplaced) {
  testing::TempDir dir;
  {
    AtomicDirectory directory(dir / "made", IfDirectoryExists::kRefuse);
    write(directory.path() / "new", "1");
    fs::create_directory(dir / "made");
    write(dir / "made" / "old", "0");
    EXPECT_THROW(directory.commit(), Error);
  }
  EXPECT_EQ(names_in(dir / "made"), std::vector<std::string>{"old"});
  EXPECT_EQ(names_in(dir.path()), std::vector<std::string>{"made"});
}

TEST(AtomicDirectory, WithoutCommitTheOldOneStays) {
  testing::TempDir dir;
  fs::create_directory(dir / "made");
  write(dir / "made" / "old", "0");
  { write(AtomicDirectory(dir / "made").path() / "new", "1"); }
  EXPECT_EQ(names_in(dir / "made"), std::vector<std::string>{"old"});
  EXPECT_EQ(names_in(dir.path()), std::vector<std::string>{"made"});
}

TEST(AtomicDirectory, WhatACrashLeftIsRemoved) {
  testing::TempDir dir;
  fs::create_directory(dir / ".made.tmp");
  write(dir / ".made.tmp" / "half", "?");
  AtomicDirectory directory(dir / "made");
  EXPECT_TRUE(names_in(directory.path()).empty());
}

TEST(AtomicDirectory, ASecondWriterOfTheNameIsRefusedAndTheFirstGoesOn) {
  testing::TempDir dir;
  AtomicDirectory first(dir / "made");
  write(first.path() / "a", "1");
  EXPECT_THROW(AtomicDirectory(dir / "made"), Error);
  first.commit();
  EXPECT_EQ(names_in(dir / "made"), std::vector<std::string>{"a"});
  AtomicDirectory(dir / "made").commit();
}

TEST(AtomicDirectory, OfManyThatBeginAtOnceOneWrites) {
  testing::TempDir dir;
  for (int round = 0; round < 50; ++round) {
    std::atomic<int> waiting = 8, made = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&] {
        --waiting;
        while (waiting > 0) {
        }
        try {
          AtomicDirectory directory(dir / "made");
          write(directory.path() / "a", "1");
          ++made;
          while (waiting > -7) {  // until all the others are refused
          }
          directory.commit();
        } catch (const Error&) {
          --waiting;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    ASSERT_EQ(made, 1);
    ASSERT_EQ(names_in(dir / "made"), std::vector<std::string>{"a"});
  }
}

TEST(AtomicDirectory, NamesWhatItCannotMake) {
  testing::TempDir dir;
  write(dir / "file", "");
  try {
    AtomicDirectory directory(dir / "file" / "made");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(error.message().find("file/.made.tmp"), std::string::npos) << error.message();
  }
}

}  // namespace
}  // namespace fathom::io
