#include "io/files/output_path.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "base/error.h"
#include "io/safetensors_writer.h"
#include "testing/temp_dir.h"

namespace fathom::io {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

std::string error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.message();
  }
  return "no error";
}

TEST(OutputPath, FilesNeedADirectoryThatIsThere) {
  const testing::TempDir dir;
  const auto file = [](const fs::path& path) {
    return error_of([&path] { require_output_file(path); });
  };
  EXPECT_EQ(file(dir / "new"), "no error");
  EXPECT_EQ(file(dir.write("old", "x")), "no error") << "is replaced";
  EXPECT_EQ(file("in_this_directory"), "no error");
  EXPECT_THAT(file(""), HasSubstr("it names no file"));
  EXPECT_THAT(file(dir.path()), HasSubstr("cannot be made: it is a directory"));
  EXPECT_THAT(file(dir / "no" / "f"), HasSubstr("there is no directory"));
  EXPECT_THAT(file(dir / "old" / "f"), HasSubstr("old is no directory"));
  EXPECT_THAT(file("/dev/null"), HasSubstr("it is no regular file"));
  EXPECT_FALSE(fs::exists(dir / "new")) << "only asked for";
}

TEST(OutputPath, DirectoriesAreMadeWithTheirParents) {
  const testing::TempDir dir;
  dir.write("file", "x");
  const auto directory = [](const fs::path& path) {
    return error_of([&path] { require_output_directory(path); });
  };
  EXPECT_EQ(directory(dir.path()), "no error");
  EXPECT_EQ(directory(dir / "a" / "b" / "c"), "no error");
  EXPECT_EQ(directory("relative/new"), "no error");
  EXPECT_THAT(directory(""), HasSubstr("the name is empty"));
  EXPECT_THAT(directory(dir / "file"), HasSubstr("file is no directory"));
  EXPECT_THAT(directory(dir / "file" / "below"), HasSubstr("file is no directory"));
  EXPECT_FALSE(fs::exists(dir / "a"));
}

TEST(OutputPath, WhatDoesNotFitIsRefusedBeforeAnythingIsMade) {
  const testing::TempDir dir;
  const i64 free_bytes = free_space_bytes(dir / "a" / "b");
  EXPECT_GT(free_bytes, 0);
  EXPECT_EQ(error_of([&] { require_free_space(dir / "a", 1); }), "no error");
  EXPECT_THAT(error_of([&] { require_free_space(dir / "a", i64{1} << 60); }),
              HasSubstr("a: no space: 1024.0 PiB are to be written, its file system has "));
  const std::vector<TensorSpec> specs = {{"x", DType::kU8, {i64{1} << 59}},
                                         {"y", DType::kU8, {i64{1} << 59}}};
  EXPECT_THAT(error_of([&] { CheckpointWriter writer(dir / "model", specs); }),
              AllOf(HasSubstr("model: no space: 1024.0 PiB")));
  EXPECT_THAT(error_of([&] { SafetensorsWriter writer(dir / "one", specs); }),
              HasSubstr("one: no space"));
  EXPECT_TRUE(fs::is_empty(dir.path()));
}

}  // namespace
}  // namespace fathom::io
