#pragma once
// Metrics of generated answers.
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "eval/task/task_spec.h"
#include "eval/text/regex.h"
#include "io/json.h"

namespace fathom::eval {

/// A prompt's filters and comparison, compiled once.
class AnswerScorer {
 public:
  /// Throws Error{kInvalidInput} for a regular expression that is none.
  explicit AnswerScorer(const PromptSpec& prompt);

  /// Names of the filters, "none" where the prompt has none.
  const std::vector<std::string>& filters() const { return filters_; }
  /// What a filter makes of an answer; `document` is what its expressions see beside {{answer}}.
  Result<std::string> filtered(const std::string& filter, const std::string& answer,
                               const io::JsonValue& document) const;
  /// The program that is run with a filtered answer in it.
  Result<std::string> program(const std::string& answer, const io::JsonValue& document) const;
  /// In what it is written: "python" where the prompt names nothing.
  Result<std::string> language(const io::JsonValue& document) const;
  /// The answer that is equal to most of the others by `metric`, the first of them; "" where all
  /// are empty or "[invalid]".
  std::string majority(std::string_view metric, const std::vector<std::string>& answers,
                       const io::JsonValue& document) const;
  /// The value of a metric; `target` is a text or a list of texts, of which the best counts.
  double score(std::string_view metric, const std::string& answer, const io::JsonValue& target,
               const io::JsonValue& document) const;

 private:
  std::string normalised(std::string_view text) const;
  const PromptSpec& prompt_;
  std::vector<std::string> filters_;
  std::vector<Regex> ignore_;
};

}  // namespace fathom::eval
