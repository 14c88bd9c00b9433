#pragma once
// Tasks put to a model, and what came of it.
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "eval/metric/option_metrics.h"
#include "eval/model/language_model.h"
#include "eval/sandbox/sandbox.h"
#include "eval/task/items.h"
#include "eval/task/metric_names.h"

namespace fathom::eval {

/// An item's metrics behind one filter.
struct ItemView {
  std::string filter = "none";
  std::string answer;          // generated, filtered
  std::vector<double> values;  // in the order of the task's metrics
};

struct ItemResult {
  OptionScores scores;   // multiple choice; of loglikelihood one option
  GeneratedText answer;  // generation
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
  i64 bootstrap_iterations = 100'000;  // of standard errors that have no formula
  /// Answers of all tasks: `done` of `total` requests.
  std::function<void(i64 done, i64 total)> on_progress;
};

/// Does it run programs that a model wrote?
bool runs_programs(const Task& task);

/// Asks everything that the tasks want to know, many items at a time, and works out the metrics.
/// Deterministic: equal models, tasks and options give equal results.
std::vector<TaskResult> evaluate(LanguageModel& model, std::vector<Task> tasks,
                                 const EvaluationOptions& options);

}  // namespace fathom::eval
