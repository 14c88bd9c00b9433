#pragma once
// Several runs on one page, for experiments: curves over each other, final numbers, and what
// differs in their configurations.
#include <span>
#include <string>
#include <vector>

#include "report/run/run_history.h"

namespace fathom::report {

struct ComparedRun {
  std::string label;  // unique among the runs
  RunHistory history;
};

/// `generated`: Unix time. The first run is the one that the others are measured against.
std::string comparison_page(std::span<const ComparedRun> runs, double generated);

/// A key of the configurations (or a fact) that not all runs have alike; empty: a run lacks it.
struct ConfigVariation {
  std::string key;
  std::vector<std::string> values;  // [runs]
};
/// Reads the configurations line by line: "[section]" and "key = value".
std::vector<ConfigVariation> config_variations(std::span<const ComparedRun> runs);

}  // namespace fathom::report
