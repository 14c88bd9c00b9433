#include "eval/task/metric_names.h"

#include <fmt/format.h>

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
    // the prompt's program passes with the answer in it
    {kPassMetric, kGenerate},
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
};

}  // namespace

const MetricInfo* find_metric(std::string_view name, OutputKind output) {
  for (const MetricInfo& metric : kMetrics) {
    if (metric.name == name && metric.output == output) return &metric;
  }
  return nullptr;
}

std::string check_metric(std::string_view name, OutputKind output) {
  if (find_metric(name, output) != nullptr) return {};
  std::vector<std::string_view> names;
  std::string known;
  for (const MetricInfo& metric : kMetrics) {
    if (metric.output != output) continue;
    names.push_back(metric.name);
    known += fmt::format(" {}", metric.name);
  }
  const std::string nearest = nearest_name(name, names);
  return fmt::format(
      "no metric \"{}\" for this output{}", name,
      nearest.empty() ? "; there are:" + known : fmt::format("; did you mean {}?", nearest));
}

}  // namespace fathom::eval
