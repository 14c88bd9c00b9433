#include "io/files/directories.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "io/files/atomic_file.h"
#include "testing/temp_dir.h"

namespace fathom::io {
namespace {

using ::testing::HasSubstr;

TEST(Directories, AreMadeWithTheirParentsAndMayBeThere) {
  const fathom::testing::TempDir dir;
  make_directories(dir / "a/b/c/");
  EXPECT_TRUE(std::filesystem::is_directory(dir / "a/b/c"));
  make_directories(dir / "a/b/c");
  make_directories("");
  flush_directory("");
}

TEST(Directories, AFileInTheWayIsNamed) {
  const fathom::testing::TempDir dir;
  dir.write("file", "x");
  try {
    make_directories(dir / "file/below");
    FAIL() << "made";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kIo);
    EXPECT_THAT(error.message(), HasSubstr("file: cannot create"));
  }
  EXPECT_THROW(flush_directory(dir / "none"), Error);
  EXPECT_THROW(flush_directory(dir / "file"), Error);
}

TEST(CopyFileAtomically, CopiesAllBytesAlsoNone) {
  const fathom::testing::TempDir dir;
  dir.write("from", std::string("a\0b", 3));
  dir.write("empty", "");
  copy_file_atomically(dir / "from", dir / "to");
  copy_file_atomically(dir / "empty", dir / "to_empty");
  EXPECT_EQ(dir.read("to"), std::string("a\0b", 3));
  EXPECT_EQ(dir.read("to_empty"), "");
  EXPECT_THROW(copy_file_atomically(dir / "none", dir / "to"), Error);
}

}  // namespace
}  // namespace fathom::io
