#include "eval/metric/answer_metrics.h"

#include <algorithm>

#include "eval/metric/answer_rules.h"
#include "eval/task/template/template.h"
#include "eval/text/python_json.h"
#include "eval/text/python_text.h"

namespace fathom::eval {
namespace {

constexpr std::string_view kNoAnswer = "[invalid]";  // of lm-eval's filters
constexpr std::string_view kPunctuation =
    "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";  // string.punctuation

void erase_any(std::string& text, std::string_view characters) {
  std::erase_if(text, [&](char c) { return characters.find(c) != characters.npos; });
}

io::JsonObject with_answer(const std::string& answer) {
  io::JsonObject members;
  members.set("answer", answer);
  return members;
}

}  // namespace

AnswerScorer::AnswerScorer(const PromptSpec& prompt) : prompt_(prompt) {
  for (const auto& [name, filter] : prompt.filters) filters_.push_back(name);
  if (filters_.empty()) filters_.emplace_back("none");
  for (const std::string& pattern : prompt.ignore) {
    ignore_.push_back(value_or_throw(Regex::compile(pattern)));
  }
}

Result<std::string> AnswerScorer::filtered(const std::string& filter, const std::string& answer,
                                           const io::JsonValue& document) const {
  const auto found = prompt_.filters.find(filter);
  if (found == prompt_.filters.end()) return answer;
  return fill_template(found->second.answer, document, with_answer(answer));
}

Result<std::string> AnswerScorer::program(const std::string& answer,
                                          const io::JsonValue& document) const {
  return fill_template(prompt_.program, document, with_answer(answer));
}

/// In lm-eval's order: regular expressions, case, punctuation, digits.
std::string AnswerScorer::normalised(std::string_view text) const {
  std::string out(text);
  for (const Regex& regex : ignore_) out = regex.replace(out, "");
  if (prompt_.ignore_case) out = lower(out);
  if (prompt_.ignore_punctuation) erase_any(out, kPunctuation);
  if (prompt_.ignore_numbers) erase_any(out, "0123456789");
  return out;
}

Result<std::string> AnswerScorer::language(const io::JsonValue& document) const {
  if (prompt_.language.empty()) return std::string("python");
  return fill_template(prompt_.language, document, {});
}

std::string AnswerScorer::majority(std::string_view metric, const std::vector<std::string>& answers,
                                   const io::JsonValue& document) const {
  std::string best;
  i64 most = 0;
  for (const std::string& answer : answers) {
    if (answer.empty() || answer == kNoAnswer) continue;
    const i64 votes = std::ranges::count_if(answers, [&](const std::string& other) {
      return score(metric, other, answer, document) == 1.0;
    });
    if (votes <= most) continue;
    most = votes;
    best = answer;
  }
  return best;
}

double AnswerScorer::score(std::string_view metric, const std::string& answer,
                           const io::JsonValue& target, const io::JsonValue& document) const {
  const io::JsonArray golds = target.is_array() ? target.as_array() : io::JsonArray{target};
  double best = 0.0;
  for (const io::JsonValue& gold : golds) {
    const bool words = metric == "exact_match";
    best = std::max(best, words ? (normalised(answer) == normalised(python_str(gold)) ? 1.0 : 0.0)
                                : answer_rule(metric, answer, gold, document));
  }
  return best;
}

}  // namespace fathom::eval
