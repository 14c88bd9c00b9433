#pragma once
// Metrics of items whose options were scored: all of them views of the same sums.
#include <optional>
#include <span>
#include <string_view>

#include "eval/model/language_model.h"
#include "eval/task/items.h"

namespace fathom::eval {

/// What was measured of one item.
struct OptionScores {
  std::vector<TextScore> options;
  std::vector<TextScore> unconditional;  // behind an empty context; where a metric wants them
};

/// The value of a multiple-choice metric; the first of equal options wins.
double choice_metric(std::string_view metric, const Item& item, const OptionScores& scores);

/// The option that a metric takes; nullopt for metrics that take none.
std::optional<size_t> chosen_option(std::string_view metric, const Item& item,
                                    const OptionScores& scores);

/// Of one text: acc, or perplexity (its log-probability).
double text_metric(std::string_view metric, const TextScore& score);

}  // namespace fathom::eval
