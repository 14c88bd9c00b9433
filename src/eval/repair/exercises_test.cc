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

// clang-format off
constexpr std::string_view kCatch = R"cpp(#pragma once
#include <cstdio>
struct Test {
  void (*body)();
  const Test* next;
  static inline const Test* all = nullptr;
  static inline int failed = 0;
  explicit Test(void (*b)()) : body(b), next(all) { all = this; }
};
#define CAT_(a, b) a##b
#define CAT(a, b) CAT_(a, b)
#define TEST_CASE(name)                                    \
  static void CAT(body_, __LINE__)();                      \
  static Test CAT(test_, __LINE__)(&CAT(body_, __LINE__)); \
  static void CAT(body_, __LINE__)()
#define REQUIRE(x)                         \
  if (!(x)) {                              \
    ++Test::failed;                        \
    std::puts("REQUIRE( " #x " ) FAILED"); \
  }
namespace Catch {
struct Session {
  int run(int, char**) {
    for (const Test* t = Test::all; t != nullptr; t = t->next) t->body();
    return Test::all == nullptr ? 1 : Test::failed;
  }
};
}  // namespace Catch
)cpp";
// clang-format on

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
  /// With a header that has of Catch what the test and the runner call: the true one takes the
  /// compiler twelve seconds.
  void write_cpp() {
    fs::remove_all(folder_.path() / "python");
    const fs::path one = folder_.path() / "cpp/exercises/practice/twice";
    write(one / ".docs/instructions.md", "Return twice the number.\n");
    write(one / ".meta/config.json",
          R"({"files":{"solution":["twice.cpp","twice.h"],"test":["twice_test.cpp"]}})");
    write(one / ".meta/example.cpp", "this is no program");
    write(one / "twice.cpp", "#include \"twice.h\"\nint twice(int n) { return n; }\n");
    write(one / "twice.h", "#pragma once\nint twice(int n);\n");
    write(one / "twice_test.cpp",
          "#include \"twice.h\"\n#include \"test/catch.hpp\"\n"
          "TEST_CASE(\"one\") { REQUIRE(twice(1) == 2); }\n#if defined(EXERCISM_RUN_ALL_TESTS)\n"
          "TEST_CASE(\"all\") { REQUIRE(twice(4) == 8); }\n#endif\n");
    write(one / "test/tests-main.cpp", "#define CATCH_CONFIG_MAIN\n#include \"catch.hpp\"\n");
    write(one / "test/catch.hpp", kCatch);
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
  Parrot reader(
      {"twice.py\n<<<<<<< SEARCH\n    pass\n=======\n    pass\nimport os, __main__\n"
       "print(__main__.line, flush=True)\nos._exit(0)\n>>>>>>> REPLACE\n",
       ""});
  EXPECT_FALSE(solve(reader)[0].passed(2));
  Parrot model(
      {"",
       "twice_test.py\n<<<<<<< SEARCH\n=======\nimport unittest\n\n"
       "class T(unittest.TestCase):\n    def test_it(self):\n        pass\n>>>>>>> REPLACE\n"
       ".run_tests.py\n<<<<<<< SEARCH\n=======\nprint(input())\n>>>>>>> REPLACE\n"});
  const auto results = solve(model);
  EXPECT_FALSE(results[0].passed(2));
}

TEST_F(ExercisesTest, CppIsCompiledWithAllItsTests) {
  if (!sandbox_) GTEST_SKIP() << sandbox_.error().message();
  if (!fs::exists("/usr/bin/g++")) GTEST_SKIP() << "no g++ in /usr/bin";
  write_cpp();
  const auto edit = [](const std::string& search, const std::string& replace) {
    return "twice.cpp\n```cpp\n<<<<<<< SEARCH\n" + search + "\n=======\n" + replace +
           "\n>>>>>>> REPLACE\n```\n";
  };
  const std::string was = "int twice(int n) { return n; }";
  Parrot model({edit(was, "int twice(int) { return 2; }"),
                edit("int twice(int) { return 2; }", "int twice(int n) { return 2 * n; }")});
  const auto results = solve(model);
  EXPECT_FALSE(results[0].passed(1)) << "the second test was not run";
  EXPECT_TRUE(results[0].passed(2)) << results[0].tries.back().test_output;
  EXPECT_THAT(model.asked()[0].prompt, HasSubstr("twice.h\n```\n#pragma once"));
  EXPECT_THAT(model.asked()[0].prompt, Not(HasSubstr("catch.hpp")));
  EXPECT_THAT(model.asked()[1].prompt, HasSubstr("REQUIRE( twice(4) == 8 ) FAILED"));
  // Warnings are errors, as in the exercises' CMakeLists.txt; what the compiler says is seen. An
  // object that ends the program before main() has not read the line.
  const std::string careless = "int twice(int n) { int unused; return 2 * n; }";
  Parrot other({edit(was, careless), edit(careless,
                                          "#include <unistd.h>\nint twice(int n) { return n; }\n"
                                          "struct End { End() { _exit(0); } } end_now;")});
  EXPECT_FALSE(solve(other)[0].passed(2));
  EXPECT_THAT(other.asked()[1].prompt, HasSubstr("unused"));
}

TEST_F(ExercisesTest, GoIsTestedWithoutANetwork) {
  if (!sandbox_) GTEST_SKIP() << sandbox_.error().message();
  if (!fs::exists("/usr/bin/go")) GTEST_SKIP() << "no go in /usr/bin";
  fs::remove_all(folder_.path() / "python");
  const fs::path one = folder_.path() / "go/exercises/practice/twice";
  write(one / ".docs/instructions.md", "Return twice the number.\n");
  write(one / ".meta/config.json",
        R"({"files":{"solution":["twice.go"],"test":["twice_test.go"]}})");
  write(one / "go.mod", "module twice\n\ngo 1.18\n");
  write(one / "twice.go", "package twice\n\nfunc Twice(n int) int {\n\treturn n\n}\n");
  write(one / "twice_test.go",
        "package twice\n\nimport \"testing\"\n\nfunc TestTwice(t *testing.T) {\n\tif got := "
        "Twice(4); got != 8 {\n\t\tt.Errorf(\"got %d\", got)\n\t}\n}\n");
  const auto edit = [](const std::string& search, const std::string& replace) {
    return "twice.go\n<<<<<<< SEARCH\n" + search + "\n=======\n" + replace + "\n>>>>>>> REPLACE\n";
  };
  // What tests print when they pass, and an end with 0, is not their passing.
  const std::string forged =
      "package twice\n\nimport (\n\t\"fmt\"\n\t\"os\"\n)\n\nfunc init() {\n"
      "\tfmt.Println(\"--- PASS: TestTwice (0.00s)\")\n\tos.Exit(0)\n}";
  Parrot model({edit("package twice", forged),
                edit(forged, "package twice") + edit("\treturn n", "\treturn 2 * n")});
  const auto results = solve(model);
  EXPECT_FALSE(results[0].passed(1)) << results[0].tries.front().test_output;
  EXPECT_TRUE(results[0].passed(2)) << results[0].tries.back().test_output;
  EXPECT_THAT(model.asked()[1].prompt, HasSubstr("--- PASS: TestTwice"));
}

TEST_F(ExercisesTest, JavaScriptHasTheFunctionsOfJest) {
  if (!sandbox_) GTEST_SKIP() << sandbox_.error().message();
  if (!fs::exists("/usr/bin/node")) GTEST_SKIP() << "no node in /usr/bin";
  fs::remove_all(folder_.path() / "python");
  const fs::path one = folder_.path() / "javascript/exercises/practice/twice";
  write(one / ".docs/instructions.md", "Return twice the number.\n");
  write(one / ".meta/config.json",
        R"({"files":{"solution":["twice.js"],"test":["twice.spec.js"]}})");
  write(one / "package.json", R"({"scripts": {"test": "jest ./*"}})");
  write(one / "twice.js", "export const twice = (n) => n;\n");
  write(one / "twice.spec.js", R"js(import { twice } from './twice';
describe('twice', () => {
  test('of none', () => { expect(twice(0)).toEqual(0); });
  xtest('of four', () => { expect(twice(4)).toBe(8); expect(() => twice('x')).toThrow(new Error('no number')); });
});
)js");
  const auto edit = [](const std::string& search, const std::string& replace) {
    return "twice.js\n<<<<<<< SEARCH\n" + search + "\n=======\n" + replace + "\n>>>>>>> REPLACE\n";
  };
  const std::string was = "export const twice = (n) => n;";
  const std::string right =
      "export const twice = (n) => { if (typeof n !== 'number') throw new Error('no number'); "
      "return 2 * n; };";
  Parrot model({edit(was, "export const twice = (n) => n + 1;"),
                edit("export const twice = (n) => n + 1;", right)});
  const auto results = solve(model);
  EXPECT_FALSE(results[0].passed(1));
  EXPECT_TRUE(results[0].passed(2)) << results[0].tries.back().test_output;
  EXPECT_THAT(model.asked()[1].prompt, HasSubstr("FAILED twice > of none\n  expect(1).toEqual(0)"));
  EXPECT_THAT(model.asked()[1].prompt, HasSubstr("FAILED twice > of four\n  expect(5).toBe(8)"));
  Parrot early({edit(was, was + "\nprocess.exit(0);"), ""});
  EXPECT_FALSE(solve(early)[0].passed(2));
}

TEST_F(ExercisesTest, WhatJestWouldFailFailsOrIsNamed) {
  if (!sandbox_) GTEST_SKIP() << sandbox_.error().message();
  if (!fs::exists("/usr/bin/node")) GTEST_SKIP() << "no node in /usr/bin";
  fs::remove_all(folder_.path() / "python");
  const std::pair<const char*, const char*> cases[] = {
      {"test('a', () => { expect({ a: { b: 1 } }).not.toHaveProperty('a.b'); });",
       "toHaveProperty() of a path is not known"},
      {"test('a', () => {}); test.each`a | b\n${1} | ${2}`('sum', () => {});",
       "each`table` is not known"},
      {"test('a', () => {}); afterAll(() => { throw new Error('left over'); });",
       "left over"}};
  for (size_t i = 0; i < std::size(cases); ++i) {
    const fs::path one =
        folder_.path() / "javascript/exercises/practice" / ("case" + std::to_string(i));
    write(one / ".docs/instructions.md", "None.\n");
    write(one / ".meta/config.json", R"({"files":{"solution":["a.js"],"test":["a.spec.js"]}})");
    write(one / "a.js", "");
    write(one / "a.spec.js", cases[i].first);
  }
  Parrot model(std::vector<std::string>(2 * std::size(cases)));
  const auto results = solve(model);
  for (size_t i = 0; i < std::size(cases); ++i) {
    EXPECT_FALSE(results[i].passed(1)) << cases[i].first;
    EXPECT_THAT(results[i].tries.front().test_output, HasSubstr(cases[i].second));
  }
}

TEST_F(ExercisesTest, WhatIsMissingIsNamed) {
  write(folder_.path() / "rust/exercises/practice/x/.meta/config.json",
        R"({"files":{"solution":["a.rs"],"test":[]}})");
  EXPECT_THAT(read_exercises(folder_.path()).error().message(), HasSubstr("a.rs"));
  write(folder_.path() / "rust/exercises/practice/x/a.rs", "");
  const auto exercises = value_or_throw(read_exercises(folder_.path()));
  ASSERT_EQ(exercises.size(), 2u);
  EXPECT_TRUE(check_exercise(exercises[0]));
  EXPECT_THAT(
      check_exercise(exercises[1]).error().message(),
      HasSubstr(
          "rust/x: tests of rust cannot be run; of these they can: cpp, go, javascript, python"));
  EXPECT_THAT(read_exercises(folder_.path() / "python").error().message(),
              HasSubstr("polyglot-benchmark"));
}

}  // namespace
}  // namespace fathom::eval
