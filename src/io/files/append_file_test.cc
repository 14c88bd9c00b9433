#include "io/files/append_file.h"

#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>

#include "base/error.h"
#include "testing/temp_dir.h"

namespace fathom::io {
namespace {

using ::testing::HasSubstr;

TEST(AppendFile, GoesOnWhereTheFileEnds) {
  const testing::TempDir folder;
  {
    AppendFile file(folder / "log");
    EXPECT_EQ(file.size_bytes(), 0);
    file.append("one\n");
    EXPECT_EQ(folder.read("log"), "one\n") << "nothing is held back";
  }
  AppendFile file(folder / "log");
  EXPECT_EQ(file.size_bytes(), 4);
  file.append("two\n");
  file.flush();
  file.truncate(100);  // only ever shortens
  EXPECT_EQ(folder.read("log"), "one\ntwo\n");
  file.truncate(4);
  file.append("three\n");
  EXPECT_EQ(folder.read("log"), "one\nthree\n");
}

TEST(AppendFile, AFailedRecordLeavesNothing) {
  const testing::TempDir folder;
  AppendFile file(folder / "log");
  file.append("first\n");
  rlimit before = {};
  ::getrlimit(RLIMIT_FSIZE, &before);
  rlimit limited = before;
  limited.rlim_cur = 10;  // the second record is cut by the system after four bytes
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  ::setrlimit(RLIMIT_FSIZE, &limited);
  std::string message;
  try {
    file.append("second record\n");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kIo);
    message = error.message();
  }
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_THAT(message, HasSubstr("log: cannot write"));
  EXPECT_EQ(folder.read("log"), "first\n");
  file.append("third\n");
  EXPECT_EQ(folder.read("log"), "first\nthird\n");
}

TEST(AppendFile, WhatIsNoFileIsRefused) {
  const testing::TempDir folder;
  EXPECT_THROW(AppendFile(folder.path()), Error);
  EXPECT_THROW(AppendFile(folder / "none" / "log"), Error);
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_THROW(AppendFile(folder / "pipe"), Error);
}

}  // namespace
}  // namespace fathom::io
