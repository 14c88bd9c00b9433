#pragma once
// Tasks put to a model, and what came of it.
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "eval/judge/judge.h"
#include "eval/metric/option_metrics.h"
#include "eval/model/language_model.h"
#include "eval/sandbox/sandbox.h"
#include "eval/task/items.h"
#include "eval/task/metric_names.h"

namespace fathom::eval {

/// An item's metrics behind one filter.
struct ItemView {
  std::string filter = "none";
  std::vector<std::string> answers;            // generated, filtered: one for each sample
  std::vector<std::vector<Verdict>> verdicts;  // a judge's, on each of them
  std::vector<double> values;                  // in the order of the task's metrics
};

struct ItemResult {
  OptionScores scores;                 // multiple choice; of loglikelihood one option
  std::vector<GeneratedText> answers;  // generation: one for each sample
  std::vector<ItemView> views;
};

struct MetricResult {
  std::string metric, filter;
  double value = 0.0;
  std::optional<double> stderr_of_value;
  std::optional<std::pair<double, double>> interval;  // Wilson, of values that are 0 or 1
  bool higher_is_better = true;
};

struct TaskResult {
  Task task;
  std::vector<ItemResult> items;
  std::vector<MetricResult> metrics;
  double chance = 0.0;  // accuracy of guessing; 0 where nothing is to be guessed
};

struct EvaluationOptions {
  const Sandbox* sandbox = nullptr;    // for tasks whose answers are programs
  LanguageModel* judge = nullptr;      // for tasks whose answers are judged
  i64 bootstrap_iterations = 100'000;  // of standard errors that have no formula
  u64 seed = 1234;                     // of sample s: seed + s
  /// Answers of all tasks: `done` of `total` requests.
  std::function<void(i64 done, i64 total)> on_progress;
  std::function<void(i64 done, i64 total)> on_verdict;  // the same of a judge's answers
};

/// Does it run programs that a model wrote, does it ask a judge?
bool runs_programs(const Task& task);
bool asks_judge(const Task& task);
/// The languages of its programs, each once, sorted. Errors name the item.
Result<std::vector<std::string>> program_languages(const Task& task);

/// Asks everything that the tasks want to know, many items at a time, and works out the metrics.
/// Deterministic: equal models, tasks and options give equal results.
std::vector<TaskResult> evaluate(LanguageModel& model, std::vector<Task> tasks,
                                 const EvaluationOptions& options);

}  // namespace fathom::eval
