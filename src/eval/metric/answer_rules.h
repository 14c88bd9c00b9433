#pragma once
// The rules by which benchmarks compare an answer with a right one.
#include <string>
#include <string_view>
#include <vector>

#include "io/json.h"

namespace fathom::eval {

/// The value of one of the metrics of generate_until, but exact_match, in [0, 1]. `gold` is a text;
/// of DROP also a list of spans.
double answer_rule(std::string_view metric, const std::string& answer, const io::JsonValue& gold,
                   const io::JsonValue& document);

/// TriviaQA's normalisation: small letters, punctuation and underscores to spaces, without
/// articles. Source: mandarjoshi90/triviaqa, evaluation/triviaqa_evaluation.py.
std::string trivia_normalised(std::string_view text);

/// Without white space, ASCII's and Chinese punctuation, in small letters (CMRC).
std::string chinese_normalised(std::string_view text);

/// DROP's comparison of an answer's spans with the right ones: equal, and words in common of the
/// best alignment, rounded to hundredths. Source: allenai/allennlp-reading-comprehension,
/// drop_eval.py, which lm-eval copies.
struct DropScore {
  double exact = 0.0;
  double f1 = 0.0;
};
DropScore drop_score(const std::vector<std::string>& answer, const std::vector<std::string>& gold);

/// Does the answer's beginning say that it will not do what was asked? By phrases in English and
/// Chinese, so that a refusal in other words is missed. The English ones are those of A. Zou et al.
/// 2023 (2307.15043), llm-attacks.
bool is_refusal(std::string_view answer);

/// The number that a text is, without $, %, thousands separators and a final point; NaN if none.
double number_of(std::string_view text);

}  // namespace fathom::eval
