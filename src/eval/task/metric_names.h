#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "eval/task/task_spec.h"

namespace fathom::eval {

/// Of two answers the model's is the better one, as a judge sees it.
inline constexpr std::string_view kWinRate = "win_rate";

/// The largest mean log-probability of a whole prompt, which begins with a token of its own.
inline constexpr std::string_view kWholeMetric = "acc_ppl";

/// How a metric's values of single items become one number.
enum class Aggregation {
  kMean,
  kPerplexity,   // exp of the mean of negative values
  kBitsPerByte,  // of sums over all documents, then one division
  kBytePerplexity,
  kWordPerplexity,
  kWeighted,     // a mean over instructions, of which an item has several
  kOfAttempted,  // correct ones / correct and incorrect ones
  kFScore,       // harmonic mean of that and the share of correct ones
};

struct MetricInfo {
  std::string_view name;  // as lm-eval spells it, where it has it
  OutputKind output;
  Aggregation aggregation = Aggregation::kMean;
  bool higher_is_better = true;
  bool judged = false;  // made of a judge's verdicts
  bool own = false;     // of a procedure (--exercises, --repair), not of a task file
};

/// None of this name for this output: nullopt. The name points into `name` or lives for ever.
std::optional<MetricInfo> find_metric(std::string_view name, OutputKind output);
/// What is wrong with a metric of a task file: "" if nothing.
std::string check_metric(std::string_view name, OutputKind output);

/// "pass@K": a program around the answer is run, and one of K answers passes. K, from 1 on.
std::optional<i64> passes_of(std::string_view name);
/// "majority_METRIC": that metric of the most frequent of several answers. METRIC, else "".
std::string_view majority_of(std::string_view name);

}  // namespace fathom::eval
