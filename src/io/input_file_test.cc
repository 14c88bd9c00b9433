#include "io/input_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <array>
#include <filesystem>
#include <string>

#include "testing/temp_dir.h"

namespace fathom::io {
namespace {

TEST(InputFile, ReadsAtOffsets) {
  const testing::TempDir dir;
  const auto file = InputFile::open(dir.write("a", "0123456789"));
  ASSERT_TRUE(file);
  EXPECT_EQ(file->size_bytes(), 10);
  std::array<u8, 4> bytes{};
  EXPECT_EQ(*file->read_at(3, bytes), 4);
  EXPECT_EQ(std::string(bytes.begin(), bytes.end()), "3456");
  EXPECT_EQ(*file->read_at(8, bytes), 2);
  EXPECT_EQ(*file->read_at(10, bytes), 0);
  EXPECT_EQ(*file->read_at(1000, bytes), 0);
}

TEST(InputFile, AFileThatShrinksEndsSooner) {
  const testing::TempDir dir;
  const auto file = InputFile::open(dir.write("a", std::string(8192, 'x')));
  ASSERT_TRUE(file);
  std::filesystem::resize_file(dir / "a", 5);
  std::array<u8, 10> bytes{};
  EXPECT_EQ(*file->read_at(0, bytes), 5);
}

TEST(InputFile, WhatIsNoFile) {
  const testing::TempDir dir;
  EXPECT_EQ(InputFile::open(dir / "none").error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(InputFile::open(dir.path()).error().code(), ErrorCode::kInvalidInput);
  ASSERT_EQ(::mkfifo((dir / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(InputFile::open(dir / "pipe").error().code(), ErrorCode::kInvalidInput);
}

}  // namespace
}  // namespace fathom::io
