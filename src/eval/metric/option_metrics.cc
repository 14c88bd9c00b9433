#include "eval/metric/option_metrics.h"

#include "base/check.h"
#include "eval/task/metric_names.h"
#include "eval/text/python_text.h"

namespace fathom::eval {
namespace {

/// What an option's log-probability is divided by.
double unit_of(std::string_view metric, const std::string& choice, const TextScore& score) {
  if (metric == "acc_norm") return static_cast<double>(num_characters(choice));
  if (metric == "acc_bytes") return static_cast<double>(choice.size());
  if (metric == "acc_token") return static_cast<double>(score.tokens);
  if (metric == kWholeMetric) return static_cast<double>(score.tokens + 1);
  return 1.0;
}

}  // namespace

std::optional<size_t> chosen_option(std::string_view metric, const Item& item,
                                    const OptionScores& scores) {
  if (metric == "exact_match") return std::nullopt;
  const bool relative = metric == "acc_mutual_info";
  size_t best = 0;
  double best_value = 0.0;
  for (size_t i = 0; i < scores.options.size(); ++i) {
    const TextScore& score = scores.options[i];
    const double base = relative ? scores.unconditional[i].log_prob : 0.0;
    const double value = (score.log_prob - base) / unit_of(metric, item.choices[i], score);
    if (i > 0 && !(value > best_value)) continue;
    best = i;
    best_value = value;
  }
  return best;
}

double choice_metric(std::string_view metric, const Item& item, const OptionScores& scores) {
  FATHOM_CHECK(!scores.options.empty(), metric);
  const auto gold = static_cast<size_t>(item.gold);
  const std::optional<size_t> chosen = chosen_option(metric, item, scores);
  if (!chosen) return scores.options[gold].greedy ? 1.0 : 0.0;
  return *chosen == gold ? 1.0 : 0.0;
}

double text_metric(std::string_view metric, const TextScore& score) {
  if (metric == "perplexity") return score.log_prob;
  return score.greedy ? 1.0 : 0.0;
}

}  // namespace fathom::eval
