#pragma once
#include <span>
#include <string>
#include <vector>

#include "eval/run/evaluation.h"

namespace fathom::eval {

/// Every metric behind every filter, over all items, with its standard error.
std::vector<MetricResult> aggregate(const TaskResult& result, i64 bootstrap_iterations);

/// Bytes or words of a document, as its metric counts them.
i64 units_of(Aggregation aggregation, const std::string& document);

/// A metric of the items that stand in training text, and of those that do not.
struct TrainingSplit {
  std::string metric, filter;
  i64 clean_items = 0, dirty_items = 0;
  double clean = 0.0, dirty = 0.0;  // 0 of no items
};
/// Of every metric that is a mean; empty where nobody looked.
std::vector<TrainingSplit> split_by_training(const TaskResult& result);

/// Tasks of one spec with subtasks: means weighted by the number of items, errors pooled.
struct GroupResult {
  std::string name;
  std::vector<const TaskResult*> parts;
  std::vector<MetricResult> metrics;
  i64 items = 0;
  double chance = 0.0;
};
std::vector<GroupResult> aggregate_groups(std::span<const TaskResult> results);

}  // namespace fathom::eval
