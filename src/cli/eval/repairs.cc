#include "cli/eval/repairs.h"

#include <algorithm>
#include <map>

#include "base/log.h"
#include "cli/progress.h"
#include "eval/result/result_files.h"
#include "io/files/atomic_file.h"

namespace fathom::cli {
namespace {

template <typename T>
void keep_first(std::vector<T>& all, i64 limit) {
  if (limit > 0 && limit < std::ssize(all)) {
    all.erase(all.begin() + limit, all.end());
  }
}

std::vector<eval::Exercise> exercises_to_run(const EvalOptions& options) {
  std::vector<eval::Exercise> exercises = value_or_throw(eval::read_exercises(options.exercises));
  std::map<std::string, i64> left_out;  // by why
  std::string reason;
  std::erase_if(exercises, [&](const eval::Exercise& each) {
    const Result<void> can_run = eval::check_exercise(each);
    if (can_run) return false;
    reason = can_run.error().message();
    ++left_out[reason.substr(each.name.size() + 2)];  // behind the exercise's name
    return true;
  });
  if (exercises.empty()) throw Error(ErrorCode::kUnsupported, reason);
  for (const auto& [why, count] : left_out) log::warn("{} exercises are left out: {}", count, why);
  keep_first(exercises, options.limit);
  return exercises;
}

eval::TaskResult solve_all(eval::LanguageModel& model, const eval::Sandbox& sandbox,
                           const std::vector<eval::Exercise>& exercises,
                           const EvalOptions& options) {
  ProgressLine progress;
  eval::ExerciseOptions settings{.temperature = options.temperature,
                                 .seed = static_cast<u64>(options.seed)};
  settings.on_progress = [&](i64 done, i64 total) { progress.update("tries", done, total); };
  const auto results = eval::solve_exercises(model, sandbox, exercises, settings);
  return eval::exercises_task(exercises, results, settings);
}

eval::TaskResult repair_all(eval::LanguageModel& model, const eval::Sandbox& sandbox,
                            const std::vector<eval::RepairInstance>& instances,
                            const EvalOptions& options, i64 samples) {
  ProgressLine progress;
  eval::RepairOptions settings{.seed = static_cast<u64>(options.seed)};
  if (samples > 0) settings.patches = samples;
  std::vector<eval::RepairResult> results;
  for (const eval::RepairInstance& each : instances) {
    results.push_back(value_or_throw(eval::repair(model, sandbox, each, settings)));
    progress.update("repairs", std::ssize(results), std::ssize(instances));
  }
  const auto file = eval::results_folder(options.out, model.facts()) / "predictions.jsonl";
  io::write_file_atomically(file, eval::prediction_lines(instances, results, model.facts().name));
  log::info("predictions written to {}", file.string());
  return eval::repair_task(instances, results);
}

}  // namespace

Repairs read_repairs(const EvalOptions& options) {
  Repairs repairs;
  if (!options.exercises.empty()) repairs.exercises = exercises_to_run(options);
  if (!options.repair.empty()) {
    repairs.instances = value_or_throw(eval::read_repair_instances(options.repair));
    keep_first(repairs.instances, options.limit);
  }
  return repairs;
}

i64 longest_repair_tokens(const Repairs& repairs) {
  // Instructions, what a first try added, the tests' output.
  constexpr i64 kAround = 32'768;
  constexpr i64 kRepository = 131'072;  // listings and three files, as long as a model can read
  i64 longest = repairs.instances.empty() ? 0 : kRepository;
  for (const eval::Exercise& exercise : repairs.exercises) {
    i64 bytes = kAround + eval::ExerciseOptions().max_tokens + std::ssize(exercise.instructions);
    for (const auto& [path, text] : exercise.files) bytes += std::ssize(path) + std::ssize(text);
    longest = std::max(longest, bytes);
  }
  return longest;
}

std::vector<eval::TaskResult> run_repairs(eval::LanguageModel& model, const eval::Sandbox& sandbox,
                                          const Repairs& repairs, const EvalOptions& options,
                                          i64 samples) {
  std::vector<eval::TaskResult> results;
  if (!repairs.exercises.empty()) {
    results.push_back(solve_all(model, sandbox, repairs.exercises, options));
  }
  if (!repairs.instances.empty()) {
    results.push_back(repair_all(model, sandbox, repairs.instances, options, samples));
  }
  return results;
}

}  // namespace fathom::cli
