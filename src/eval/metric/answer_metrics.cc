#include "eval/metric/answer_metrics.h"

#include <algorithm>

#include "eval/metric/answer_rules.h"
#include "eval/task/template.h"
#include "eval/text/python_json.h"
#include "eval/text/python_text.h"

namespace fathom::eval {
namespace {

constexpr std::string_view kPunctuation =
    "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";  // string.punctuation

void erase_any(std::string& text, std::string_view characters) {
  std::erase_if(text, [&](char c) { return characters.find(c) != characters.npos; });
}

/// A template over a document and an answer.
Result<std::string> filled(const std::string& text, const std::string& answer,
                           const io::JsonValue& document) {
  io::JsonObject visible = document.as_object();
  visible.set("answer", answer);
  return value_or_throw(Template::parse(text)).text(io::JsonValue(std::move(visible)));
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
  return filled(found->second.answer, answer, document);
}

Result<std::string> AnswerScorer::program(const std::string& answer,
                                          const io::JsonValue& document) const {
  return filled(prompt_.program, answer, document);
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
