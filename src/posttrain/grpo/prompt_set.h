#pragma once
// Prompts with what their answers are judged by. A line of JSON is
//   {"prompt": TEXT or [messages], "answer"?: TEXT, "tests"?: PYTHON}
// Other keys are passed over.
#include <string>
#include <vector>

#include "config/run/data_config.h"
#include "posttrain/chat_choice.h"
#include "posttrain/decontamination.h"
#include "posttrain/reward/reward.h"
#include "tokenizer/tokenizer.h"

namespace fathom::posttrain {

struct Prompt {
  std::vector<i32> ids;
  std::string text;      // as a person reads it
  std::string messages;  // JSON of the messages, where it is made of some
  RewardKey key;
};

struct PromptReader {
  const tokenizer::Tokenizer* tokenizer = nullptr;
  ChatChoice chat;
  std::optional<i32> bos;
  i64 max_tokens = 0;
  const Rewarder* rewarder = nullptr;
  Decontamination* apart = nullptr;  // lines that it leaves out are none
};

/// All prompts of a source. Throws Error{kInvalidInput} with file and line: what is no prompt, an
/// answer that nothing could be held against, a prompt of more than max_tokens.
std::vector<Prompt> read_prompts(const PromptReader& reader, const SourceConfig& source,
                                 const std::string& where);

}  // namespace fathom::posttrain
