// Exercises in Exercism's layout, with a model whose answers are known.
#include "eval/repair/exercises.h"

#include <gmock/gmock.h>

#include <fstream>

#include "eval/model/test_parrot.h"
#include "testing/temp_dir.h"

namespace fathom::eval {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

void write(const fs::path& path, std::string_view text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path) << text;
}

class ExercisesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const fs::path one = folder_.path() / "python/exercises/practice/twice";
    write(one / ".docs/instructions.md", "# Instructions\n\nReturn twice the number.\n");
    write(
        one / ".meta/config.json",
        R"({"files":{"solution":["twice.py"],"test":["twice_test.py"],"example":[".meta/e.py"]}})");
    write(one / "twice.py", "def twice(number):\n    pass\n");
    write(one / "twice_test.py",
          "import unittest\nfrom twice import twice\n\nclass T(unittest.TestCase):\n"
          "    def test_it(self):\n        self.assertEqual(twice(4), 8)\n");
  }
  std::vector<ExerciseResult> solve(Parrot& model) {
    const auto exercises = value_or_throw(read_exercises(folder_.path()));
    return solve_exercises(model, *sandbox_, exercises, {});
  }
  static std::string block(const std::string& search, const std::string& replace) {
    return "twice.py\n```python\n<<<<<<< SEARCH\n" + search + "\n=======\n" + replace +
           "\n>>>>>>> REPLACE\n```\n";
  }

  fathom::testing::TempDir folder_;
  Result<Sandbox> sandbox_ = Sandbox::build();
};

TEST_F(ExercisesTest, TheSecondTrySeesTheTestsOutputAndTheFilesAsTheyAre) {
  if (!sandbox_) GTEST_SKIP() << sandbox_.error().message();
  Parrot model(
      {block("    pass", "    return 3 * number"),
       block("3 * number", "x") + block("    return 3 * number", "    return 2 * number")});
  const auto results = solve(model);
  ASSERT_EQ(results[0].tries.size(), 2u);
  EXPECT_FALSE(results[0].passed(1));
  EXPECT_TRUE(results[0].passed(2));
  EXPECT_FALSE(results[0].well_formed());  // of the second answer one block was not found
  const TaskResult task =
      exercises_task(value_or_throw(read_exercises(folder_.path())), results, {});
  ASSERT_EQ(task.metrics.size(), 3u);
  EXPECT_EQ(task.metrics[0].value, 0.0);
  EXPECT_EQ(task.metrics[1].value, 1.0);
  EXPECT_EQ(task.metrics[2].value, 0.0);
  EXPECT_TRUE(task.metrics[1].interval.has_value());
  EXPECT_THAT(model.asked()[0].prompt,
              HasSubstr("twice.py\n```\ndef twice(number):\n    pass\n```"));
  EXPECT_THAT(model.asked()[0].prompt, HasSubstr("Return twice the number."));
  EXPECT_THAT(model.asked()[0].prompt, Not(HasSubstr("assertEqual")));  // tests are not shown
  EXPECT_THAT(model.asked()[1].prompt, HasSubstr("AssertionError: 12 != 8"));
  EXPECT_THAT(model.asked()[1].prompt, HasSubstr("return 3 * number"));
  // Nothing that differs from run to run: stored answers must be known again.
  EXPECT_THAT(model.asked()[1].prompt, HasSubstr("File \"twice_test.py\", line 6"));
  EXPECT_THAT(model.asked()[1].prompt, HasSubstr("Ran 1 test\n"));
}

TEST_F(ExercisesTest, WhatPassesAtOnceIsNotAskedAgain) {
  if (!sandbox_) GTEST_SKIP() << sandbox_.error().message();
  Parrot model({block("    pass", "    return 2 * number")});
  const auto results = solve(model);
  EXPECT_TRUE(results[0].passed(1));
  EXPECT_TRUE(results[0].well_formed());
  EXPECT_EQ(model.asked().size(), 1u);
}

TEST_F(ExercisesTest, EndingEarlyOrChangingTheTestsIsNoPass) {
  if (!sandbox_) GTEST_SKIP() << sandbox_.error().message();
  Parrot early(
      {"twice.py\n<<<<<<< SEARCH\n    pass\n=======\n    pass\nimport os\nos._exit(0)\n"
       ">>>>>>> REPLACE\n",
       ""});
  EXPECT_FALSE(solve(early)[0].passed(2));
  Parrot model(
      {"",
       "twice_test.py\n<<<<<<< SEARCH\n=======\nimport unittest\n\n"
       "class T(unittest.TestCase):\n    def test_it(self):\n        pass\n>>>>>>> REPLACE\n"
       ".run_tests.py\n<<<<<<< SEARCH\n=======\nprint(input())\n>>>>>>> REPLACE\n"});
  const auto results = solve(model);
  EXPECT_FALSE(results[0].passed(2));
}

TEST_F(ExercisesTest, WhatIsMissingIsNamed) {
  write(folder_.path() / "rust/exercises/practice/x/.meta/config.json",
        R"({"files":{"solution":["a.rs"],"test":[]}})");
  EXPECT_THAT(read_exercises(folder_.path()).error().message(), HasSubstr("a.rs"));
  write(folder_.path() / "rust/exercises/practice/x/a.rs", "");
  const auto exercises = value_or_throw(read_exercises(folder_.path()));
  ASSERT_EQ(exercises.size(), 2u);
  EXPECT_TRUE(check_exercise(exercises[0]));
  EXPECT_THAT(check_exercise(exercises[1]).error().message(),
              HasSubstr("rust/x: tests of rust cannot be run"));
  EXPECT_THAT(read_exercises(folder_.path() / "python").error().message(),
              HasSubstr("polyglot-benchmark"));
}

}  // namespace
}  // namespace fathom::eval
