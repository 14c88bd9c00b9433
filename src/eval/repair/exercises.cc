#include "eval/repair/exercises.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "eval/repair/edit_prompt.h"
#include "eval/repair/exercise_languages.h"
#include "eval/run/aggregation.h"
#include "eval/text/regex.h"
#include "io/json.h"

namespace fathom::eval {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kTestsMain = "test/tests-main.cpp";  // a runner of ours is in its place

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
  const ExerciseLanguage& language = *find_exercise_language(exercise.language);
  TestRun run{.archive = {},
              .files = exercise.support,
              .command = std::string(language.command),
              .repeats_line = true,
              .wall_s = wall_s,
              .memory_bytes = language.memory_bytes,
              .of_data = language.of_data};
  for (const auto& [path, text] : files) run.files[path] = text;
  for (const auto& [path, text] : exercise.support) run.files[path] = text;
  for (const auto& [path, text] : exercise.tests) run.files[path] = text;
  run.files.erase(std::string(kTestsMain));
  for (const RunnerFile& file : language.files) run.files[std::string(file.path)] = file.text;
  const TestOutcome outcome = run_tests(sandbox, run);
  out.passed = outcome.passed;
  // What differs from run to run would make each one's second question another one.
  const Regex varies = value_or_throw(Regex::compile(std::string(language.varies)));
  out.test_output = varies.replace(outcome.output, "");
  return out;
}

}  // namespace

Result<void> check_exercise(const Exercise& exercise) {
  const ExerciseLanguage* const language = find_exercise_language(exercise.language);
  if (language == nullptr) {
    return unsupported(fmt::format("{}: tests of {} cannot be run; of these they can: {}",
                                   exercise.name, exercise.language, exercise_language_names()));
  }
  std::error_code ignored;
  if (fs::exists(fs::path("/usr/bin") / language->program, ignored)) return {};
  return unsupported(fmt::format("{}: tests of {} cannot be run: no {} in /usr/bin", exercise.name,
                                 exercise.language, language->program));
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
