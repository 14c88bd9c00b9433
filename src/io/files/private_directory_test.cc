#include "io/files/private_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "base/error.h"
#include "testing/temp_dir.h"

namespace fathom::io {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

std::string refusal(const fs::path& path) {
  try {
    const PrivateDirectory directory(path);
  } catch (const Error& error) {
    return error.message();
  }
  return "";
}

mode_t mode_of(const fs::path& path) {
  struct stat status = {};
  EXPECT_EQ(::stat(path.c_str(), &status), 0);
  return status.st_mode & 07777;
}

TEST(PrivateDirectory, IsMadeForItsOwnerAlone) {
  const testing::TempDir dir;
  const mode_t umask_before = ::umask(0);
  for (const char* name : {"a/b/pages", "c/", "d"}) {
    const PrivateDirectory directory(dir / name);
    EXPECT_EQ(mode_of(directory.path()), 0700u) << name;
    EXPECT_TRUE(directory.path().has_filename());
  }
  ::umask(umask_before);
}

TEST(PrivateDirectory, WhatOthersMayEnterIsRefused) {
  const testing::TempDir dir;
  for (const mode_t mode : {0701u, 0710u, 0750u, 0702u, 0777u, 01777u}) {
    fs::create_directory(dir / "pages");
    ASSERT_EQ(::chmod((dir / "pages").c_str(), mode), 0);
    EXPECT_THAT(refusal(dir / "pages"), HasSubstr("other users may enter it; expected 0700"));
    EXPECT_EQ(mode_of(dir / "pages"), mode) << "and left as it is";
    fs::remove(dir / "pages");
  }
}

TEST(PrivateDirectory, OfAnotherUserIsRefused) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can make a directory of another user";
  const testing::TempDir dir;
  fs::create_directory(dir / "pages");
  ASSERT_EQ(::chmod((dir / "pages").c_str(), 0700), 0);
  ASSERT_EQ(::chown((dir / "pages").c_str(), 12345, 12345), 0);
  EXPECT_THAT(refusal(dir / "pages"), HasSubstr("belongs to user 12345, expected one of user 0"));
}

TEST(PrivateDirectory, ATakenNameIsRefused) {
  const testing::TempDir dir;
  dir.write("pages", "text");
  EXPECT_THAT(refusal(dir / "pages"), HasSubstr("is no directory"));
  EXPECT_THAT(refusal(dir / "pages/below"), HasSubstr("cannot create"));
}

TEST(PrivateDirectory, OneProcessAtATime) {
  const testing::TempDir dir;
  {
    const PrivateDirectory ours(dir / "pages");
    EXPECT_THAT(refusal(dir / "pages"), HasSubstr("another process uses this directory"));
    const pid_t child = ::fork();
    if (child == 0) ::_exit(refusal(dir / "pages").empty() ? 0 : 7);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(WEXITSTATUS(status), 7);
  }
  EXPECT_EQ(refusal(dir / "pages"), "");
}

TEST(PrivateDirectory, WhatAKilledProcessLeftIsRemoved) {
  const testing::TempDir dir;
  fs::create_directory(dir / "pages");
  ASSERT_EQ(::chmod((dir / "pages").c_str(), 0700), 0);
  dir.write("pages/x.tmp-999999999-0", "half");
  dir.write("pages/notes", "whole");
  EXPECT_EQ(refusal(dir / "pages"), "");
  EXPECT_FALSE(fs::exists(dir / "pages/x.tmp-999999999-0"));
  EXPECT_TRUE(fs::exists(dir / "pages/notes"));
}

}  // namespace
}  // namespace fathom::io
