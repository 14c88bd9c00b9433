#include "cli/eval/result_table.h"

#include <fmt/format.h>

#include <utility>

#include "cli/output.h"
#include "eval/result/comparison.h"
#include "eval/run/aggregation.h"
#include "eval/task/task_file.h"

namespace fathom::cli {
namespace {

void print_line(const std::string& name, i64 items, i64 shots, const eval::MetricResult& metric,
                double chance) {
  const std::string label = metric.filter == "none"
                                ? metric.metric
                                : fmt::format("{} ({})", metric.metric, metric.filter);
  std::string spread = "-", interval = "-";
  if (metric.stderr_of_value) spread = fmt::format("{:.4f}", *metric.stderr_of_value);
  if (metric.interval) {
    interval = fmt::format("{:.4f}-{:.4f}", metric.interval->first, metric.interval->second);
  }
  const bool guessed = chance > 0 && metric.interval && metric.metric != "exact_match";
  out::print("{:<36} {:>6} {:>5} {:<28} {:>9.4f} {:>8} {:>15} {:>7}\n", name, items, shots, label,
             metric.value, spread, interval, guessed ? fmt::format("{:.4f}", chance) : "-");
}

}  // namespace

namespace {

/// Where training text was looked at.
void print_training_splits(std::span<const eval::TaskResult> results) {
  bool first = true;
  for (const eval::TaskResult& result : results) {
    for (const eval::TrainingSplit& split : eval::split_by_training(result)) {
      if (std::exchange(first, false)) {
        out::print("\n{:<36} {:<28} {:>8} {:>9} {:>11} {:>9}\n", "items in training text", "metric",
                   "clean", "value", "in training", "value");
      }
      out::print("{:<36} {:<28} {:>8} {:>9.4f} {:>11} {:>9.4f}\n", result.task.name, split.metric,
                 split.clean_items, split.clean, split.dirty_items, split.dirty);
    }
  }
}

}  // namespace

void print_result_table(std::span<const eval::TaskResult> results) {
  out::print("{:<36} {:>6} {:>5} {:<28} {:>9} {:>8} {:>15} {:>7}\n", "task", "items", "shots",
             "metric", "value", "stderr", "95 % (Wilson)", "chance");
  for (const eval::TaskResult& result : results) {
    for (const eval::MetricResult& metric : result.metrics) {
      print_line(result.task.name, std::ssize(result.items), result.task.prompt.shots, metric,
                 result.chance);
    }
  }
  for (const eval::GroupResult& group : eval::aggregate_groups(results)) {
    for (const eval::MetricResult& metric : group.metrics) {
      print_line(group.name, group.items, group.parts.front()->task.prompt.shots, metric,
                 group.chance);
    }
  }
  print_training_splits(results);
}

void print_comparison(const eval::StoredRun& a, const eval::StoredRun& b) {
  out::print("a: {} of {}\nb: {} of {}\n", a.model, a.stamp, b.model, b.stamp);
  out::print("{:<36} {:>6} {:<28} {:>9} {:>9} {:>9} {:>19} {:>8}\n", "task", "items", "metric", "a",
             "b", "b - a", "95 % (bootstrap)", "p");
  for (const eval::ComparedMetric& each : eval::compare_runs(a, b)) {
    const std::string label =
        each.filter == "none" ? each.metric : fmt::format("{} ({})", each.metric, each.filter);
    out::print("{:<36} {:>6} {:<28} {:>9.4f} {:>9.4f} {:>+9.4f} {:>+9.4f} {:>+9.4f} {:>8.4f}{}\n",
               each.task, each.items, label, each.a, each.b, each.difference.mean,
               each.difference.low, each.difference.high, each.difference.p_value,
               each.tie() ? "  tie" : "");
    if (each.only_one > 0) out::print("  {} items stand in one of them only\n", each.only_one);
    if (each.other_prompts > 0) out::print("  {} items have another prompt\n", each.other_prompts);
  }
}

void print_task_list() {
  for (const std::string_view name : eval::built_in_tasks()) {
    const eval::TaskSpec spec = value_or_throw(eval::load_task(std::string(name)));
    std::string presets;
    for (const auto& each : spec.prompts) presets += (presets.empty() ? "" : ", ") + each.first;
    out::print("{:<18} {} ({}; {})\n{:<18} {}\n", name, spec.title, presets, spec.licence, "",
               spec.origin);
  }
}

}  // namespace fathom::cli
