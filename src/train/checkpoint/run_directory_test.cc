#include "train/checkpoint/run_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/error.h"
#include "testing/temp_dir.h"

namespace fathom::train {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;

class RunDirectoryTest : public ::testing::Test {
 protected:
  void make(const RunDirectory& directory, std::initializer_list<i64> steps) {
    for (const i64 step : steps) {
      fs::create_directories(directory.checkpoint(step) / "inside");
    }
  }
  testing::TempDir dir_;
};

TEST_F(RunDirectoryTest, ListsCheckpointsAndNothingElse) {
  const RunDirectory directory(dir_ / "run");
  make(directory, {400, 5, 1'000'000});
  fs::create_directories(directory.checkpoints() / "step-");
  fs::create_directories(directory.checkpoints() / "step-7x");
  dir_.write("run/checkpoints/step-000009", "a file");
  EXPECT_THAT(directory.checkpoint_steps(), ElementsAre(5, 400, 1'000'000));
  EXPECT_EQ(directory.checkpoint(5).filename(), "step-000005");
  EXPECT_EQ(newest_checkpoint(dir_ / "run"),
            directory.checkpoint(1'000'000));  // though it is locked
}

TEST_F(RunDirectoryTest, ReadingMakesNothing) {
  EXPECT_EQ(newest_checkpoint(dir_ / "none"), std::nullopt);
  EXPECT_FALSE(fs::exists(dir_ / "none"));
  { const RunDirectory directory(dir_ / "run"); }
  EXPECT_EQ(newest_checkpoint(dir_ / "run"), std::nullopt);
}

TEST_F(RunDirectoryTest, PrunesButTheLastAndTheBest) {
  const RunDirectory directory(dir_ / "run");
  make(directory, {1, 2, 3, 4, 5});
  directory.prune(2, 1);
  EXPECT_THAT(directory.checkpoint_steps(), ElementsAre(1, 4, 5));
  directory.prune(1, std::nullopt);
  EXPECT_THAT(directory.checkpoint_steps(), ElementsAre(5));
  directory.prune(3, 5);
  EXPECT_THAT(directory.checkpoint_steps(), ElementsAre(5));
}

TEST_F(RunDirectoryTest, OneProcessAtATime) {
  const RunDirectory directory(dir_ / "run");
  EXPECT_THROW(RunDirectory(dir_ / "run"), Error);
}

TEST_F(RunDirectoryTest, RemovesWhatAKilledProcessLeft) {
  { const RunDirectory directory(dir_ / "run"); }
  for (const char* left : {"run/checkpoints/.step-000004.tmp", "run/checkpoints/.trash-2",
                           "run/.model.tmp", "run/.model-ema.tmp", "run/.mine"}) {
    fs::create_directories(dir_ / left / "inside");
  }
  for (const char* left :
       {"run/report.html.tmp-999999999-3", "run/checkpoints/a.tmp-999999999-0"}) {
    dir_.write(left, "half");
  }
  const RunDirectory directory(dir_ / "run");
  EXPECT_TRUE(fs::is_empty(directory.checkpoints()));
  EXPECT_FALSE(fs::exists(dir_ / "run/report.html.tmp-999999999-3"));
  EXPECT_FALSE(fs::exists(dir_ / "run/.model.tmp"));
  EXPECT_FALSE(fs::exists(dir_ / "run/.model-ema.tmp"));
  EXPECT_TRUE(fs::exists(dir_ / "run/.mine")) << "the user's own files stay";
}

TEST_F(RunDirectoryTest, LaterCheckpointsArePutAside) {
  const RunDirectory directory(dir_ / "run");
  make(directory, {1, 2, 3});
  EXPECT_EQ(directory.set_aside_after(1), 2);
  EXPECT_THAT(directory.checkpoint_steps(), ElementsAre(1));
  EXPECT_TRUE(fs::exists(directory.checkpoints() / "step-000003.aside"));
}

}  // namespace
}  // namespace fathom::train
