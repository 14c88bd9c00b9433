#pragma once
// Aider's polyglot benchmark: exercises in Exercism's layout, solved with edits in two tries.
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "eval/model/language_model.h"
#include "eval/repair/edit_blocks.h"
#include "eval/run/evaluation.h"
#include "eval/sandbox/sandbox.h"

namespace fathom::eval {

struct Exercise {
  std::string name, language;
  std::string instructions;
  Files files;    // that the model edits
  Files tests;    // that it does not see
  Files support;  // what else its language's tools need
};

/// All LANGUAGE/exercises/practice/NAME below a folder, by name. Errors name file and field;
/// kNotFound: there are none.
Result<std::vector<Exercise>> read_exercises(const std::filesystem::path& folder);

/// Can its tests be run here? kUnsupported names the language.
Result<void> check_exercise(const Exercise& exercise);

struct ExerciseTry {
  std::string answer;
  std::string malformed;  // why its edits could not be read or found; "": they were applied
  bool passed = false;
  std::string test_output;
};
struct ExerciseResult {
  std::string prompt;              // of the first try
  std::vector<ExerciseTry> tries;  // the second one where the first did not pass

  bool passed(size_t within) const;
  bool well_formed() const;
};

struct ExerciseOptions {
  i64 max_tokens = 8192;
  double temperature = 0.0;
  u64 seed = 1234;
  double wall_s = 180.0;  // of one run of the tests
  std::function<void(i64 done, i64 total)> on_progress;
};

/// The second try sees the tests' output and the files as the first left them. Aider's own
/// conversation also asks again within a try where an edit does not fit; here that try has failed.
std::vector<ExerciseResult> solve_exercises(LanguageModel& model, const Sandbox& sandbox,
                                            std::span<const Exercise> exercises,
                                            const ExerciseOptions& options);

/// As a task `exercises` with pass_rate_1, pass_rate_2 and well_formed: a sample's answers are
/// those of the tries, what went wrong stands in its document.
TaskResult exercises_task(std::span<const Exercise> exercises,
                          std::span<const ExerciseResult> results, const ExerciseOptions& options);

}  // namespace fathom::eval
