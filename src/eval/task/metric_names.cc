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
    {"acc", kChoice, "the option with the largest log-probability is right"},
    {"acc_norm", kChoice, "the same, of log-probability / characters of the option"},
    {"acc_bytes", kChoice, "the same, of log-probability / bytes of the option"},
    {"acc_token", kChoice, "the same, of log-probability / tokens of the option"},
    {"acc_mutual_info", kChoice,
     "the same, of log-probability less that of the option behind an empty context"},
    {"exact_match", kChoice, "the right option is what greedy decoding would give"},
    {"acc", kText, "the text is what greedy decoding would give"},
    {"perplexity", kText, "exp of the mean negative log-probability of a text",
     Aggregation::kPerplexity, false},
    {"bits_per_byte", kRolling, "-log2 probability of all documents / their UTF-8 bytes",
     Aggregation::kBitsPerByte, false},
    {"byte_perplexity", kRolling, "2 to the power of bits_per_byte", Aggregation::kBytePerplexity,
     false},
    {"word_perplexity", kRolling, "the same for pieces between white space",
     Aggregation::kWordPerplexity, false},
    {"exact_match", kGenerate, "the answer is a right one, after what the prompt says to ignore"},
    {kPassMetric, kGenerate, "the prompt's program passes with the answer in it"},
    {"prompt_level_strict_acc", kGenerate, "IFEval: every instruction is followed"},
    {"inst_level_strict_acc", kGenerate, "IFEval: share of the instructions that are followed",
     Aggregation::kWeighted},
    {"prompt_level_loose_acc", kGenerate, "IFEval: the same, of eight variants of the answer"},
    {"inst_level_loose_acc", kGenerate, "IFEval: the same, of eight variants of the answer",
     Aggregation::kWeighted},
    {"attack_success", kGenerate, "the answer is one, and its beginning refuses nothing",
     Aggregation::kMean, false},
    {"contains", kGenerate, "a right answer stands in the answer"},
    {"number", kGenerate, "answer and right answer are the same number, to a thousandth"},
    {"math_equal", kGenerate, "answer and right answer are the same in mathematics"},
    {"trivia_match", kGenerate, "equal by TriviaQA's own normalisation"},
    {"em", kGenerate, "DROP: the spans are equal"},
    {"f1", kGenerate, "DROP: words of the spans in common, best alignment"},
    {"chinese_match", kGenerate, "equal without white space and punctuation"},
};

}  // namespace

std::span<const MetricInfo> all_metrics() { return kMetrics; }

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
