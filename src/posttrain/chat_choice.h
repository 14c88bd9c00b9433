#pragma once
#include <string>
#include <vector>

#include "config/run/run_config.h"
#include "tokenizer/chat/template.h"
#include "tokenizer/tokenizer.h"

namespace fathom::posttrain {

/// The chat template of a run, or why there is none: said where a line needs one.
struct ChatChoice {
  tokenizer::RecognisedChatTemplate chat = {};
  std::string why_none;

  std::string_view name() const {
    return chat.chat_template == nullptr ? "none" : chat.chat_template->name;
  }
};

/// The template that sft.chat_template names, or the one that the tokenizer's directory brings.
/// Throws Error for a named one that is unknown or does not fit the vocabulary.
ChatChoice choose_chat_template(const RunConfig& run, const tokenizer::Tokenizer& tokenizer);

/// Ids that end what a model of this template writes.
std::vector<i64> end_ids(const ChatChoice& choice, const tokenizer::Tokenizer& tokenizer);

/// The same with the token that ends a text, as rollouts stop on them. Throws Error{kInvalidInput}
/// if there is none at all.
std::vector<i32> stop_ids(const ChatChoice& choice, const tokenizer::Tokenizer& tokenizer,
                          const std::string& eos_token);

/// Stages take every line once an epoch. Throws Error for a config without a training source, or
/// with one that has a weight.
void check_sources(const DataConfig& data);

}  // namespace fathom::posttrain
