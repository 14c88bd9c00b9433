#include "eval/repair/exercises.h"

#include <fmt/format.h>

#include <algorithm>

#include "eval/repair/edit_prompt.h"
#include "eval/repair/test_run.h"
#include "eval/run/aggregation.h"
#include "eval/task/records.h"
#include "eval/text/regex.h"
#include "io/json.h"

namespace fathom::eval {
namespace {

namespace fs = std::filesystem;

/// Python's unittest over all test files; the line that it was given ends the output.
constexpr std::string_view kRunner = R"py(import sys
line = sys.stdin.readline().strip()
import unittest
program = unittest.main(module=None, argv=["tests", "discover", "-p", "*_test.py"], exit=False)
sys.stderr.flush()
if program.result.wasSuccessful() and program.result.testsRun > 0:
    print(line)
)py";
constexpr const char* kRunnerPath = ".run_tests.py";

Result<Files> read_files(const fs::path& folder, const io::JsonValue& lists, const char* key,
                         const std::string& where) {
  const auto names = io::get_array(lists, key, where);
  if (!names) return tl::unexpected(names.error());
  Files files;
  for (const io::JsonValue& name : **names) {
    if (!name.is_string()) {
      return invalid_input(
          fmt::format("{}: files.{}: expected texts, found {}", where, key, io::describe(name)));
    }
    Result<std::string> text = read_text(folder / name.as_string());
    if (!text) return tl::unexpected(text.error());
    files[name.as_string()] = std::move(*text);
  }
  return files;
}

Result<Exercise> read_exercise(const fs::path& folder, std::string language) {
  Exercise exercise;
  exercise.name = language + "/" + folder.filename().string();
  exercise.language = std::move(language);
  for (const char* const part : {"introduction.md", "instructions.md", "instructions.append.md"}) {
    const fs::path path = folder / ".docs" / part;
    if (!fs::exists(path)) continue;
    Result<std::string> text = read_text(path);
    if (!text) return tl::unexpected(text.error());
    exercise.instructions += *text;
  }
  const fs::path config = folder / ".meta/config.json";
  const Result<io::JsonValue> value = io::read_json(config);
  if (!value) return tl::unexpected(value.error());
  const auto lists = io::get_object(*value, "files", config.string());
  if (!lists) return tl::unexpected(lists.error());
  const io::JsonValue& named = *value->find("files");
  Result<Files> files = read_files(folder, named, "solution", config.string());
  if (!files) return tl::unexpected(files.error());
  Result<Files> tests = read_files(folder, named, "test", config.string());
  if (!tests) return tl::unexpected(tests.error());
  exercise.files = std::move(*files);
  exercise.tests = std::move(*tests);
  return exercise;
}

/// What a model is asked at first, and again behind tests that failed.
std::string first_prompt(const Exercise& exercise) {
  return fmt::format(
      "{}\n\n{}\n\n{}\n\nChange these files so that they do what the instructions ask: {}. Keep "
      "the "
      "names of functions and classes that are there, since tests call them, and use the standard "
      "library alone.",
      edit_instructions(), shown_files(exercise.files), exercise.instructions,
      fmt::join(paths_of(exercise.files), ", "));
}

std::string second_prompt(const Exercise& exercise, const Files& now, const ExerciseTry& before) {
  const std::string news =
      before.malformed.empty()
          ? fmt::format("The tests failed:\n\n```\n{}```", before.test_output)
          : fmt::format("Your last edits could not be applied: {}", before.malformed);
  return fmt::format(
      "{}\n\n{}\n\n{}\n\n{}\n\nThe tests are right and stay as they are. Mend the code in {}.",
      edit_instructions(), shown_files(now), exercise.instructions, news,
      fmt::join(paths_of(now), ", "));
}

ExerciseTry tried(const Exercise& exercise, const Sandbox& sandbox, const std::string& answer,
                  double wall_s, Files& files) {
  ExerciseTry out{.answer = answer, .malformed = {}, .passed = false, .test_output = {}};
  out.malformed = problem_of(apply_edits(answer, files));
  // Aider runs the tests on what was applied, whatever failed beside it.
  TestRun run{.archive = {}, .files = files, .command = {}, .repeats_line = true, .wall_s = wall_s};
  for (const auto& [path, text] : exercise.tests) run.files[path] = text;
  run.files[kRunnerPath] = kRunner;
  run.command = fmt::format("exec /usr/bin/python3 -B {}", kRunnerPath);
  const TestOutcome outcome = run_tests(sandbox, run);
  out.passed = outcome.passed;
  // The time that they took would make each run's second question another one.
  static const Regex time = value_or_throw(Regex::compile("(Ran [0-9]+ tests?) in [0-9.]+s"));
  out.test_output = time.replace(outcome.output, "\\1");
  return out;
}

}  // namespace

Result<std::vector<Exercise>> read_exercises(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code ignored;
  for (const auto& language : fs::directory_iterator(folder, ignored)) {
    const fs::path practice = language.path() / "exercises/practice";
    for (const auto& each : fs::directory_iterator(practice, ignored)) {
      if (fs::exists(each.path() / ".meta/config.json")) found.push_back(each.path());
    }
  }
  if (found.empty()) {
    return fail(ErrorCode::kNotFound,
                fmt::format("{}: expected LANGUAGE/exercises/practice/NAME/.meta/config.json below "
                            "it, as in https://github.com/Aider-AI/polyglot-benchmark",
                            folder.string()));
  }
  std::ranges::sort(found);
  std::vector<Exercise> exercises;
  for (const fs::path& each : found) {
    const fs::path language = each.parent_path().parent_path().parent_path();
    Result<Exercise> exercise = read_exercise(each, language.filename().string());
    if (!exercise) return tl::unexpected(exercise.error());
    exercises.push_back(std::move(*exercise));
  }
  return exercises;
}

Result<void> check_exercise(const Exercise& exercise) {
  if (exercise.language == "python") return {};
  return unsupported(fmt::format("{}: tests of {} cannot be run; of python they can", exercise.name,
                                 exercise.language));
}

bool ExerciseResult::passed(size_t within) const {
  return std::any_of(tries.begin(),
                     tries.begin() + static_cast<i64>(std::min(within, tries.size())),
                     [](const ExerciseTry& each) { return each.passed; });
}

bool ExerciseResult::well_formed() const {
  return std::ranges::all_of(tries, [](const ExerciseTry& each) { return each.malformed.empty(); });
}

std::vector<ExerciseResult> solve_exercises(LanguageModel& model, const Sandbox& sandbox,
                                            std::span<const Exercise> exercises,
                                            const ExerciseOptions& options) {
  std::vector<ExerciseResult> results;
  std::vector<Files> files;
  for (const Exercise& exercise : exercises) {
    results.push_back({.prompt = first_prompt(exercise), .tries = {}});
    files.push_back(exercise.files);
  }
  const i64 total = 2 * std::ssize(exercises);
  i64 done = 0;
  for (i64 number = 0; number < 2; ++number) {
    std::vector<GenerationRequest> asked;
    std::vector<size_t> places;
    for (size_t i = 0; i < exercises.size(); ++i) {
      if (results[i].passed(1)) continue;
      std::string prompt = number == 0
                               ? results[i].prompt
                               : second_prompt(exercises[i], files[i], results[i].tries.back());
      asked.push_back({.prompt = std::move(prompt),
                       .stop = {},
                       .max_tokens = options.max_tokens,
                       .temperature = options.temperature,
                       .seed = options.seed + static_cast<u64>(number)});
      places.push_back(i);
    }
    done = (number + 1) * std::ssize(exercises) - std::ssize(asked);
    model.generate(asked, [&](size_t index, const GeneratedText& answer) {
      const size_t i = places[index];
      results[i].tries.push_back(
          tried(exercises[i], sandbox, answer.text, options.wall_s, files[i]));
      if (options.on_progress) options.on_progress(++done, total);
    });
  }
  return results;
}

TaskResult exercises_task(std::span<const Exercise> exercises,
                          std::span<const ExerciseResult> results, const ExerciseOptions& options) {
  TaskResult out;
  out.task.name = "exercises";
  out.task.title = "Exercises with edits in two tries";
  out.task.output = OutputKind::kGenerate;
  out.task.prompt.max_tokens = options.max_tokens;
  out.task.prompt.temperature = options.temperature;
  out.task.prompt.metrics = {"pass_rate_1", "pass_rate_2", "well_formed"};
  out.task.num_documents = std::ssize(exercises);
  for (size_t i = 0; i < exercises.size(); ++i) {
    io::JsonArray tries;
    ItemView view;
    ItemResult result;
    for (const ExerciseTry& each : results[i].tries) {
      io::JsonObject one;
      one.set("passed", each.passed);
      one.set("malformed", each.malformed);
      one.set("tests", each.test_output);
      tries.emplace_back(std::move(one));
      view.answers.push_back(each.answer);
      result.answers.push_back({.text = each.answer, .complete = true});
    }
    const auto number = [](bool yes) { return yes ? 1.0 : 0.0; };
    view.values = {number(results[i].passed(1)), number(results[i].passed(2)),
                   number(results[i].well_formed())};
    result.views.push_back(std::move(view));
    out.items.push_back(std::move(result));
    Item item;
    item.index = static_cast<i64>(i);
    item.prompt = results[i].prompt;
    io::JsonObject document;
    document.set("name", exercises[i].name);
    document.set("tries", std::move(tries));
    item.document.stored = io::JsonValue(std::move(document));
    item.target = io::JsonValue(exercises[i].name);
    out.task.items.push_back(std::move(item));
  }
  out.metrics = aggregate(out, 0);
  return out;
}

}  // namespace fathom::eval
