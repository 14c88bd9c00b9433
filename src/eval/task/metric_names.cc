#include "eval/task/metric_names.h"

#include <fmt/format.h>

#include <charconv>
#include <vector>

#include "base/text.h"

namespace fathom::eval {
namespace {

constexpr OutputKind kChoice = OutputKind::kMultipleChoice;
constexpr OutputKind kText = OutputKind::kLogLikelihood;
constexpr OutputKind kGenerate = OutputKind::kGenerate;
constexpr OutputKind kRolling = OutputKind::kRolling;

constexpr MetricInfo kMetrics[] = {
    // the option with the largest log-probability is right
    {"acc", kChoice},
    // the same, of log-probability / characters of the option
    {"acc_norm", kChoice},
    // the same, of log-probability / bytes of the option
    {"acc_bytes", kChoice},
    // the same, of log-probability / tokens of the option
    {"acc_token", kChoice},
    // the same, of log-probability less that of the option behind an empty context
    {"acc_mutual_info", kChoice},
    // the same, of the log-probability of the whole prompt / (its tokens + 1), as OpenCompass
    {kWholeMetric, kChoice},
    // the right option is what greedy decoding would give
    {"exact_match", kChoice},
    // the text is what greedy decoding would give
    {"acc", kText},
    // exp of the mean negative log-probability of a text
    {"perplexity", kText, Aggregation::kPerplexity, false},
    // -log2 probability of all documents / their UTF-8 bytes
    {"bits_per_byte", kRolling, Aggregation::kBitsPerByte, false},
    // 2 to the power of bits_per_byte
    {"byte_perplexity", kRolling, Aggregation::kBytePerplexity, false},
    // the same for pieces between white space
    {"word_perplexity", kRolling, Aggregation::kWordPerplexity, false},
    // the answer is a right one, after what the prompt says to ignore
    {"exact_match", kGenerate},
    // IFEval: every instruction is followed
    {"prompt_level_strict_acc", kGenerate},
    // IFEval: share of the instructions that are followed
    {"inst_level_strict_acc", kGenerate, Aggregation::kWeighted},
    // IFEval: the same, of eight variants of the answer
    {"prompt_level_loose_acc", kGenerate},
    // IFEval: the same, of eight variants of the answer
    {"inst_level_loose_acc", kGenerate, Aggregation::kWeighted},
    // the answer is one, and its beginning refuses nothing
    {"attack_success", kGenerate, Aggregation::kMean, false},
    // a right answer stands in the answer
    {"contains", kGenerate},
    // answer and right answer are the same number, to a thousandth
    {"number", kGenerate},
    // answer and right answer are the same in mathematics
    {"math_equal", kGenerate},
    // equal by TriviaQA's own normalisation
    {"trivia_match", kGenerate},
    // DROP: the spans are equal
    {"em", kGenerate},
    // DROP: words of the spans in common, best alignment
    {"f1", kGenerate},
    // equal without white space and punctuation
    {"chinese_match", kGenerate},
    // a judge's verdicts, shares of its votes: SimpleQA's three
    {"correct", kGenerate, Aggregation::kMean, true, true},
    {"incorrect", kGenerate, Aggregation::kMean, false, true},
    {"not_attempted", kGenerate, Aggregation::kMean, false, true},
    // of the answers that a judge takes for one, those that are right
    {"correct_given_attempted", kGenerate, Aggregation::kOfAttempted, true, true},
    // harmonic mean of that and of the share of right ones
    {"f_score", kGenerate, Aggregation::kFScore, true, true},
    // a judge says that the answer does what was asked
    {"judged_attack_success", kGenerate, Aggregation::kMean, false, true},
    // a judge prefers the answer to another one; a tie is half a win
    {kWinRate, kGenerate, Aggregation::kMean, true, true},
    // exercises: the tests pass after the first answer, after the second at the latest
    {"pass_rate_1", kGenerate, Aggregation::kMean, true, false, true},
    {"pass_rate_2", kGenerate, Aggregation::kMean, true, false, true},
    // every answer's edits could be read and found their places
    {"well_formed", kGenerate, Aggregation::kMean, true, false, true},
    // repair: there is a patch; with it the tests pass; with it the problem does not show any more
    {"patched", kGenerate, Aggregation::kMean, true, false, true},
    {"tests_pass", kGenerate, Aggregation::kMean, true, false, true},
    {"reproduction_passes", kGenerate, Aggregation::kMean, true, false, true},
};

constexpr std::string_view kPass = "pass@", kMajority = "majority_";

}  // namespace

std::optional<i64> passes_of(std::string_view name) {
  if (!name.starts_with(kPass)) return std::nullopt;
  name.remove_prefix(kPass.size());
  i64 count = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), count);
  const bool whole = error == std::errc() && end == name.data() + name.size();
  return whole && count > 0 ? std::optional(count) : std::nullopt;
}

std::string_view majority_of(std::string_view name) {
  return name.starts_with(kMajority) ? name.substr(kMajority.size()) : std::string_view();
}

std::optional<MetricInfo> find_metric(std::string_view name, OutputKind output) {
  if (output == kGenerate && passes_of(name)) return MetricInfo{name, kGenerate};
  if (const std::string_view base = majority_of(name); !base.empty()) {
    std::optional<MetricInfo> info = find_metric(base, output);
    const bool counts = info && output == kGenerate && !info->judged && !info->own &&
                        !passes_of(base) && majority_of(base).empty() &&
                        info->aggregation == Aggregation::kMean;
    if (!counts) return std::nullopt;
    info->name = name;
    return info;
  }
  for (const MetricInfo& metric : kMetrics) {
    if (metric.name == name && metric.output == output) return metric;
  }
  return std::nullopt;
}

std::string check_metric(std::string_view name, OutputKind output) {
  if (const auto info = find_metric(name, output)) {
    if (!info->own) return {};
    return fmt::format("{} is no metric of task files", name);
  }
  std::vector<std::string_view> names;
  std::string known;
  for (const MetricInfo& metric : kMetrics) {
    if (metric.output != output || metric.own) continue;
    names.push_back(metric.name);
    known += fmt::format(" {}", metric.name);
  }
  if (output == kGenerate) known += " pass@K majority_METRIC";
  const std::string nearest = nearest_name(name, names);
  return fmt::format(
      "no metric \"{}\" for this output{}", name,
      nearest.empty() ? "; there are:" + known : fmt::format("; did you mean {}?", nearest));
}

}  // namespace fathom::eval
