#pragma once
#include <string>

#include "posttrain/grpo/policy_sample.h"
#include "tokenizer/tokenizer.h"

namespace fathom::posttrain {

/// The answer's text with its control tokens, without the token that ended it.
inline std::string answer_text(const PolicySample& sample, const tokenizer::Tokenizer& tokenizer) {
  const i64 end = std::ssize(sample.ids) - (sample.truncated ? 0 : 1);
  return tokenizer.decode(std::span(sample.ids)
                              .subspan(static_cast<size_t>(sample.prompt_tokens),
                                       static_cast<size_t>(end - sample.prompt_tokens)));
}

}  // namespace fathom::posttrain
