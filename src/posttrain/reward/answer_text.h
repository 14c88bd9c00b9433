#pragma once
// What rule rewards read in an answer.
#include <optional>
#include <string>
#include <string_view>

#include "config/run/grpo_config.h"

namespace fathom::posttrain {

/// An answer cut at its thought. `opens_thought`: the prompt has opened it.
struct AnswerParts {
  std::string_view thought;
  std::string_view rest;  // behind it; empty if the thought does not end
  bool has_thought = false;
  bool ends = true;  // false: a thought was opened and never closed
};
AnswerParts split_thought(std::string_view text, bool opens_thought);

/// The result of an answer, outside its thought: nothing without one, or longer than 1000 bytes.
std::optional<std::string> extract_result(AnswerPlace place, std::string_view mark,
                                          std::string_view text, bool opens_thought);

/// R1-Zero's form: one <think>...</think> then one <answer>...</answer>, white space around them
/// alone, line breaks inside allowed, both not empty.
bool is_well_formed(std::string_view text, bool opens_thought);

/// Share of the words of `text` that are in `language` ("en" or "zh"), by their script; code,
/// numbers and LaTeX are left out. A Chinese character is a word. 0 without words.
double language_share(std::string_view text, std::string_view language);

/// The last block fenced as ```python or ``` outside the thought; nothing without.
std::optional<std::string> last_program(std::string_view text, bool opens_thought);

}  // namespace fathom::posttrain
