#include "eval/run/aggregation.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "eval/metric/statistics.h"
#include "eval/text/regex.h"

namespace fathom::eval {
namespace {

double perplexity(std::span<const double> log_probs) { return std::exp(-mean(log_probs)); }

/// -log-probability of all documents a unit of them.
double loss_a_unit(std::span<const TaskResult* const> results, Aggregation aggregation) {
  double log_prob = 0.0;
  i64 units = 0;
  for (const TaskResult* const result : results) {
    for (size_t i = 0; i < result->items.size(); ++i) {
      log_prob += result->items[i].scores.options.front().log_prob;
      units += units_of(aggregation, result->task.items[i].prompt);
    }
  }
  return -log_prob / static_cast<double>(units);
}

MetricResult aggregate_documents(std::span<const TaskResult* const> results,
                                 const MetricInfo& info) {
  const double loss = loss_a_unit(results, info.aggregation);
  MetricResult out;
  out.metric = info.name;
  out.filter = "none";
  out.higher_is_better = info.higher_is_better;
  out.value =
      info.aggregation == Aggregation::kBitsPerByte ? loss / std::numbers::ln2 : std::exp(loss);
  return out;
}

bool is_share(std::span<const double> values) {
  return std::all_of(values.begin(), values.end(), [](double v) { return v == 0.0 || v == 1.0; });
}

/// A mean over the instructions of all items; `values` are shares of each item's.
MetricResult aggregate_instructions(const TaskResult& result, const MetricInfo& info,
                                    std::span<const double> values) {
  double sum = 0.0, total = 0.0;
  for (size_t i = 0; i < values.size(); ++i) {
    const io::JsonValue* const list =
        result.task.items[i].document.visible.find("instruction_id_list");
    const auto count =
        list != nullptr && list->is_array() ? static_cast<double>(list->as_array().size()) : 1.0;
    sum += values[i] * count;
    total += count;
  }
  MetricResult out;
  out.metric = info.name;
  out.value = total > 0 ? sum / total : 0.0;
  return out;
}

/// Correct ones of those that a judge takes for an answer, and its harmonic mean with the share of
/// correct ones. Source: J. Wei et al. 2024 (2411.04368), SimpleQA.
MetricResult aggregate_attempted(const TaskResult& result, size_t view, const MetricInfo& info) {
  double correct = 0.0, attempted = 0.0, answers = 0.0;
  for (const ItemResult& item : result.items) {
    for (const std::vector<Verdict>& votes : item.views[view].verdicts) {
      const double right = share_of("correct", votes);
      correct += right;
      attempted += right + share_of("incorrect", votes);
      answers += 1.0;
    }
  }
  const double given = attempted > 0 ? correct / attempted : 0.0;
  const double all = answers > 0 ? correct / answers : 0.0;
  MetricResult out;
  out.metric = info.name;
  out.value = info.aggregation == Aggregation::kOfAttempted ? given
              : given + all > 0                             ? 2 * given * all / (given + all)
                                                            : 0.0;
  return out;
}

MetricResult aggregate_one(const MetricInfo& info, std::span<const double> values,
                           i64 bootstrap_iterations) {
  MetricResult out;
  out.metric = info.name;
  out.higher_is_better = info.higher_is_better;
  if (info.aggregation == Aggregation::kPerplexity) {
    out.value = perplexity(values);
    if (values.size() > 1 && bootstrap_iterations > 0) {
      // As lm-eval limits the resamples of what has no formula.
      out.stderr_of_value = bootstrap_stderr(values, bootstrap_iterations, perplexity);
    }
    return out;
  }
  out.value = mean(values);
  out.stderr_of_value = mean_stderr(values);
  if (is_share(values)) out.interval = wilson_interval(out.value, std::ssize(values));
  return out;
}

}  // namespace

i64 units_of(Aggregation aggregation, const std::string& document) {
  if (aggregation != Aggregation::kWordPerplexity) return std::ssize(document);
  // re.split counts the empty pieces at both ends too.
  static const Regex space = value_or_throw(Regex::compile("\\s+"));
  return std::ssize(space.find_all(document)) + 1;
}

std::vector<MetricResult> aggregate(const TaskResult& result, i64 bootstrap_iterations) {
  std::vector<MetricResult> metrics;
  if (result.items.empty()) return metrics;
  const size_t views = result.items.front().views.size();
  for (size_t v = 0; v < views; ++v) {
    for (size_t m = 0; m < result.task.prompt.metrics.size(); ++m) {
      std::vector<double> values;
      for (const ItemResult& item : result.items) values.push_back(item.views[v].values[m]);
      const MetricInfo info = *find_metric(result.task.prompt.metrics[m], result.task.output);
      if (result.task.output == OutputKind::kRolling) {
        metrics.push_back(aggregate_documents(std::array{&result}, info));
        continue;
      }
      if (info.aggregation == Aggregation::kOfAttempted ||
          info.aggregation == Aggregation::kFScore) {
        metrics.push_back(aggregate_attempted(result, v, info));
      } else if (info.aggregation == Aggregation::kWeighted) {
        metrics.push_back(aggregate_instructions(result, info, values));
      } else {
        metrics.push_back(aggregate_one(info, values, bootstrap_iterations));
      }
      metrics.back().filter = result.items.front().views[v].filter;
    }
  }
  return metrics;
}

std::vector<TrainingSplit> split_by_training(const TaskResult& result) {
  std::vector<TrainingSplit> splits;
  if (result.items.empty() || !result.task.items.front().in_training) return splits;
  for (size_t v = 0; v < result.items.front().views.size(); ++v) {
    for (size_t m = 0; m < result.task.prompt.metrics.size(); ++m) {
      const MetricInfo info = *find_metric(result.task.prompt.metrics[m], result.task.output);
      if (info.aggregation != Aggregation::kMean) continue;
      TrainingSplit split{.metric = std::string(info.name),
                          .filter = result.items.front().views[v].filter};
      for (size_t i = 0; i < result.items.size(); ++i) {
        const bool dirty = result.task.items[i].in_training.value_or(false);
        (dirty ? split.dirty_items : split.clean_items) += 1;
        (dirty ? split.dirty : split.clean) += result.items[i].views[v].values[m];
      }
      if (split.clean_items > 0) split.clean /= static_cast<double>(split.clean_items);
      if (split.dirty_items > 0) split.dirty /= static_cast<double>(split.dirty_items);
      splits.push_back(std::move(split));
    }
  }
  return splits;
}

std::vector<GroupResult> aggregate_groups(std::span<const TaskResult> results) {
  std::vector<GroupResult> groups;
  for (const TaskResult& result : results) {
    if (result.task.group.empty()) continue;
    if (groups.empty() || groups.back().name != result.task.group) {
      groups.push_back({.name = result.task.group});
    }
    groups.back().parts.push_back(&result);
  }
  for (GroupResult& group : groups) {
    for (const TaskResult* const part : group.parts) {
      const i64 n = std::ssize(part->items);
      group.items += n;
      group.chance += part->chance * static_cast<double>(n);
    }
    group.chance /= static_cast<double>(group.items);
    for (size_t m = 0; m < group.parts.front()->metrics.size(); ++m) {
      const Task& task = group.parts.front()->task;
      MetricResult out = group.parts.front()->metrics[m];
      if (task.output == OutputKind::kRolling) {
        group.metrics.push_back(
            aggregate_documents(group.parts, *find_metric(out.metric, task.output)));
        continue;
      }
      double sum = 0.0;
      bool has_errors = true, shares = true;
      std::vector<PartError> errors;
      for (const TaskResult* const part : group.parts) {
        const MetricResult& metric = part->metrics[m];
        const i64 n = std::ssize(part->items);
        sum += metric.value * static_cast<double>(n);
        has_errors &= metric.stderr_of_value.has_value();
        shares &= metric.interval.has_value();
        errors.push_back({metric.stderr_of_value.value_or(0.0), n});
      }
      out.value = sum / static_cast<double>(group.items);
      out.stderr_of_value = has_errors ? std::optional(pooled_stderr(errors)) : std::nullopt;
      out.interval = shares ? std::optional(wilson_interval(out.value, group.items)) : std::nullopt;
      group.metrics.push_back(out);
    }
  }
  return groups;
}

}  // namespace fathom::eval
