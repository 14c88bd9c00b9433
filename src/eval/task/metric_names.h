#pragma once
#include <string>
#include <string_view>

#include "eval/task/task_spec.h"

namespace fathom::eval {

/// A program around the answer is run, and passes.
inline constexpr std::string_view kPassMetric = "pass@1";

/// How a metric's values of single items become one number.
enum class Aggregation {
  kMean,
  kPerplexity,   // exp of the mean of negative values
  kBitsPerByte,  // of sums over all documents, then one division
  kBytePerplexity,
  kWordPerplexity,
  kWeighted,  // a mean over instructions, of which an item has several
};

struct MetricInfo {
  std::string_view name;  // as lm-eval spells it, where it has it
  OutputKind output;
  Aggregation aggregation = Aggregation::kMean;
  bool higher_is_better = true;
};

/// Null if there is none of this name for this output.
const MetricInfo* find_metric(std::string_view name, OutputKind output);
/// What is wrong with a metric of a task file: "" if nothing.
std::string check_metric(std::string_view name, OutputKind output);

}  // namespace fathom::eval
