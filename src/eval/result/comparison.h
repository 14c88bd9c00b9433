#pragma once
// Two models on the same items.
#include <string>
#include <vector>

#include "eval/metric/statistics.h"
#include "eval/result/stored_run.h"

namespace fathom::eval {

struct ComparedMetric {
  std::string task, filter, metric;
  i64 items = 0;          // that both have
  i64 only_one = 0;       // items that one of them lacks
  i64 other_prompts = 0;  // of the items, those whose prompts differ
  double a = 0.0, b = 0.0;
  Difference difference;  // of b - a
  bool tie() const { return difference.low <= 0.0 && difference.high >= 0.0; }
};

/// Every metric of every task that both have, items matched by document.
std::vector<ComparedMetric> compare_runs(const StoredRun& a, const StoredRun& b,
                                         i64 iterations = 10'000, u64 seed = 1234);

}  // namespace fathom::eval
