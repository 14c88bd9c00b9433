#include "comm/mpi/launcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <string>

#include "base/error.h"
#include "comm/mpi/world.h"

namespace fathom::comm {
namespace {

using Variables = std::map<std::string, std::string>;

/// The variables of launchers, as given and no others, while it lives.
class Environment {
 public:
  explicit Environment(const Variables& variables) {
    for (const char* name : kNames) {
      if (const char* value = std::getenv(name)) before_[name] = value;
      unsetenv(name);
    }
    for (const auto& [name, value] : variables) setenv(name.c_str(), value.c_str(), 1);
  }
  ~Environment() {
    for (const char* name : kNames) unsetenv(name);
    for (const auto& [name, value] : before_) setenv(name.c_str(), value.c_str(), 1);
  }

 private:
  static constexpr const char* kNames[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK",
                                           "SLURM_STEP_NUM_TASKS"};
  Variables before_;
};

int size_with(const Variables& variables) {
  const Environment environment(variables);
  const auto launched = launched_as();
  return launched ? launched->size : 0;
}

TEST(LauncherTest, SizeOfTheJobByLauncher) {
  EXPECT_EQ(size_with({}), 0);
  EXPECT_EQ(
      size_with({{"OMPI_COMM_WORLD_SIZE", "4"}, {"PMIX_RANK", "1"}, {"SLURM_STEP_NUM_TASKS", "2"}}),
      4);
  EXPECT_EQ(size_with({{"PMI_SIZE", "3"}}), 3);
  EXPECT_EQ(size_with({{"PMIX_RANK", "0"}, {"SLURM_STEP_NUM_TASKS", "2"}}), 2);
  EXPECT_EQ(size_with({{"SLURM_STEP_NUM_TASKS", "2"}}), 0);  // a shell of a job
}

TEST(LauncherTest, WhatIsNoSizeIsNamed) {
  for (const char* wrong : {"", "four", "0", "-1", "4x", "99999999999"}) {
    const Environment environment(Variables{{"PMI_SIZE", wrong}});
    try {
      launched_as();
      FAIL() << wrong;
    } catch (const Error& error) {
      EXPECT_THAT(error.message(),
                  ::testing::HasSubstr("PMI_SIZE: \"" + std::string(wrong) + "\""));
    }
  }
}

TEST(LauncherTest, AloneOrAsTheOnlyRankThereIsNoWorld) {
  {
    const Environment environment(Variables{});
    EXPECT_FALSE(world_of_launcher({}));
  }
  const Environment environment(Variables{{"OMPI_COMM_WORLD_SIZE", "1"}});
  EXPECT_FALSE(world_of_launcher({}));
}

}  // namespace
}  // namespace fathom::comm
