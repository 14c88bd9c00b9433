#pragma once
// In which languages the tests of an exercise can be run, and how. Internal to repair/.
#include <span>
#include <string>
#include <string_view>

#include "eval/repair/test_run.h"

namespace fathom::eval {

struct RunnerFile {
  std::string_view path, text;
};

struct ExerciseLanguage {
  std::string_view name;              // its folder's in the benchmark
  std::string_view program;           // in /usr/bin, without which there are no tests
  std::span<const RunnerFile> files;  // beside the exercise's own
  std::string_view command;           // see TestRun::repeats_line
  std::string_view varies;  // a regular expression of what differs from run to run in the output
  i64 memory_bytes = 0;
  bool of_data = false;
};

/// Null: none of them.
const ExerciseLanguage* find_exercise_language(std::string_view name);
std::string exercise_language_names();  // "cpp, go, python"

}  // namespace fathom::eval
