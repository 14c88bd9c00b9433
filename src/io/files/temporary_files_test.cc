#include "io/files/temporary_files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "io/files/atomic_file.h"
#include "testing/temp_dir.h"

namespace fathom::io {
namespace {

namespace fs = std::filesystem;

/// A process that lives until it is told to end.
class Sleeper {
 public:
  Sleeper() : pid_(::fork()) {
    if (pid_ == 0) {
      ::pause();
      ::_exit(0);
    }
  }
  ~Sleeper() { end(); }
  void end() {
    if (pid_ == 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  std::string number() const { return std::to_string(pid_); }

 private:
  pid_t pid_;
};

class TemporaryFiles : public ::testing::Test {
 protected:
  bool is_left(const std::string& name) {
    dir_.write(name, "half");
    remove_stale_temporaries(dir_.path());
    return fs::exists(dir_ / name);
  }
  testing::TempDir dir_;
};

TEST_F(TemporaryFiles, OfDeadProcessesAreRemoved) {
  Sleeper sleeper;
  const std::string dead = sleeper.number();
  sleeper.end();
  EXPECT_FALSE(is_left("report.html.tmp-" + dead + "-0"));
  EXPECT_FALSE(is_left("a.tmp-1-2.tmp-" + dead + "-17")) << "the last mark counts";
  EXPECT_FALSE(is_left("run.toml.tmp-" + std::to_string(::getpid()) + "-999999"))
      << "a number that is ours now, and the file is not";
}

TEST_F(TemporaryFiles, OfLivingProcessesStay) {
  Sleeper sleeper;
  const std::string name = "run.toml.tmp-" + sleeper.number() + "-0";
  EXPECT_TRUE(is_left(name)) << "though it holds no lock";
  // The number of a process that began after the file was written.
  timespec old[2] = {{1'000'000'000, 0}, {1'000'000'000, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, (dir_ / name).c_str(), old, 0), 0);
  remove_stale_temporaries(dir_.path());
  EXPECT_FALSE(fs::exists(dir_ / name));
}

TEST_F(TemporaryFiles, ThatSomebodyHoldsStay) {
  AtomicFile ours(dir_ / "model.safetensors");
  ours.append("half");
  // As another machine on a shared file system, whose process numbers mean nothing here.
  const std::string theirs = (dir_ / "report.html.tmp-999999999-0").string();
  const int fd = create_temporary(theirs);
  ASSERT_GE(fd, 0);
  remove_stale_temporaries(dir_.path());
  EXPECT_TRUE(fs::exists(theirs));
  ours.seal();
  remove_stale_temporaries(dir_.path());
  ours.commit();
  EXPECT_TRUE(fs::exists(dir_ / "model.safetensors"));
  ::close(fd);
  remove_stale_temporaries(dir_.path());
  EXPECT_FALSE(fs::exists(theirs));
}

TEST_F(TemporaryFiles, OtherNamesStay) {
  for (const char* name : {"notes.tmp", "notes.tmp-", "notes.tmp-999999999", "notes.tmp-999999999-",
                           ".tmp-999999999-0", "notes.tmp-x-0", "notes.tmp-999999999-0.bak",
                           "notes.tmp--1-0", "notes.tmp-999999999-x"}) {
    EXPECT_TRUE(is_left(name)) << name;
  }
  fs::create_directory(dir_ / "folder.tmp-999999999-0");
  dir_.write("target", "");
  fs::create_symlink(dir_ / "target", dir_ / "link.tmp-999999999-0");
  remove_stale_temporaries(dir_.path());
  EXPECT_TRUE(fs::exists(dir_ / "folder.tmp-999999999-0"));
  EXPECT_TRUE(fs::exists(dir_ / "link.tmp-999999999-0"));
  remove_stale_temporaries(dir_ / "none");
}

TEST_F(TemporaryFiles, OfOneTarget) {
  dir_.write("a.html.tmp-999999999-0", "");
  dir_.write("b.html.tmp-999999999-0", "");
  remove_stale_temporaries(dir_.path(), "a.html");
  EXPECT_FALSE(fs::exists(dir_ / "a.html.tmp-999999999-0"));
  EXPECT_TRUE(fs::exists(dir_ / "b.html.tmp-999999999-0"));
}

TEST_F(TemporaryFiles, ATakenNameIsNotOpened) {
  const std::string name = temporary_name(dir_ / "a");
  dir_.write(fs::path(name).filename().string(), "of another");
  EXPECT_LT(create_temporary(name), 0);
  EXPECT_NE(temporary_name(dir_ / "a"), name);
}

}  // namespace
}  // namespace fathom::io
