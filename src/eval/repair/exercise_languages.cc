#include "eval/repair/exercise_languages.h"

#include "eval/repair/javascript/runner_assets.h"

namespace fathom::eval {
namespace {

// clang-format off
/// Python's unittest over all test files. The line is no member of a module.
constexpr std::string_view kPythonRunner = R"py(import sys

def run_tests(line):
    import unittest
    program = unittest.main(module=None, argv=["tests", "discover", "-p", "*_test.py"], exit=False)
    sys.stderr.flush()
    if program.result.wasSuccessful() and program.result.testsRun > 0:
        print(line)

run_tests(sys.stdin.readline().strip())
)py";

/// In place of the exercise's test/tests-main.cpp. The line is read before constructors of the
/// model's objects run: at the first priority that is free, and linked first.
constexpr std::string_view kCatchRunner = R"cpp(#include <unistd.h>
#include <cstdio>
#define CATCH_CONFIG_RUNNER
#include "test/catch.hpp"

namespace {
char line[64];
__attribute__((constructor(101))) void read_line() {
  for (char* at = line; at < line + sizeof line - 1 && read(0, at, 1) == 1 && *at != '\n'; ++at) {
  }
}
}  // namespace

int main() {
  char name[] = "tests", warn[] = "--warn", empty[] = "NoTests";
  char* words[] = {name, warn, empty};
  Catch::Session session;
  const int failed = session.run(3, words);
  if (failed == 0) std::puts(line);
  return failed == 0 ? 0 : 1;
}
)cpp";

/// The tests' output, then the line if there were tests and TestMain said it behind them: what a
/// program prints as the tests' report is none.
constexpr std::string_view kGoRunner = R"sh(read -r line
export GOPROXY=off GOFLAGS=-mod=mod GOCACHE=/tmp/.cache GOPATH=/tmp/.go CGO_ENABLED=0
sed -n 's/^\(package [A-Za-z0-9_]*\).*/\1/p' ./*_test.go | head -n 1 >fathom_main_test.go
cat .run_tests.go >>fathom_main_test.go
said=$(FATHOM_LINE=$line go test -v -count=1 ./... </dev/null 2>&1)
status=$?
printf '%s\n' "$said" | grep -vxF -e "$line"
[ $status = 0 ] && printf '%s\n' "$said" | grep -q '^--- PASS' &&
  printf '%s\n' "$said" | grep -qxF -e "$line" && printf '%s\n' "$line"
)sh";

/// Behind the package of the exercise's tests.
constexpr std::string_view kGoMain = R"go(
import (
	"fmt"
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	line := os.Getenv("FATHOM_LINE")
	os.Unsetenv("FATHOM_LINE")
	status := m.Run()
	if status == 0 {
		fmt.Printf("\n%s\n", line)
	}
	os.Exit(status)
}
)go";
// clang-format on

constexpr i64 kMiB = i64{1} << 20;

constexpr RunnerFile kPythonRunnerFiles[] = {{".run_tests.py", kPythonRunner}};
constexpr RunnerFile kCatchRunnerFiles[] = {{".run_tests.cpp", kCatchRunner}};
constexpr RunnerFile kGoRunnerFiles[] = {{".run_tests.sh", kGoRunner}, {".run_tests.go", kGoMain}};
const RunnerFile kJavaScriptFiles[] = {{".run_tests.mjs", kRunTestsMjs},
                                       {".run_tests_hooks.mjs", kHooksMjs},
                                       {".run_tests_jest.mjs", kJestMjs}};

const ExerciseLanguage kLanguages[] = {
    {.name = "cpp",
     .program = "g++",
     .files = kCatchRunnerFiles,
     .command = "g++ -std=c++17 -Wall -Wextra -Wpedantic -Werror -DEXERCISM_RUN_ALL_TESTS -I. -o "
                ".run_tests .run_tests.cpp *.cpp </dev/null && exec ./.run_tests",
     .varies = "/tmp/cc[A-Za-z0-9]+\\.",
     .memory_bytes = 2048 * kMiB},
    {.name = "go",
     .program = "go",
     .files = kGoRunnerFiles,
     .command = "exec /bin/sh .run_tests.sh",
     .varies = "\\(?[0-9]+\\.[0-9]+s\\)?|0x[0-9a-f]+|goroutine [0-9]+",
     .memory_bytes = 2048 * kMiB,
     .of_data = true},
    {.name = "javascript",
     .program = "node",
     .files = kJavaScriptFiles,
     .command = "exec /usr/bin/node --no-warnings .run_tests.mjs",
     .varies = "\\(node:[0-9]+\\)",
     .memory_bytes = 2048 * kMiB,
     .of_data = true},
    {.name = "python",
     .program = "python3",
     .files = kPythonRunnerFiles,
     .command = "exec /usr/bin/python3 -B .run_tests.py",
     .varies = " in [0-9.]+s",
     .memory_bytes = 512 * kMiB}};

}  // namespace

const ExerciseLanguage* find_exercise_language(std::string_view name) {
  for (const ExerciseLanguage& each : kLanguages) {
    if (each.name == name) return &each;
  }
  return nullptr;
}

std::string exercise_language_names() {
  std::string names;
  for (const ExerciseLanguage& each : kLanguages) {
    names += (names.empty() ? "" : ", ") + std::string(each.name);
  }
  return names;
}

}  // namespace fathom::eval
