#pragma once
// A model's chat template around one message, and its answer read back.
#include <string>
#include <vector>

#include "base/types.h"
#include "tokenizer/chat/answer/answer_reader.h"
#include "tokenizer/chat/template.h"
#include "tokenizer/tokenizer.h"

namespace fathom::eval {

struct ChatPrompt {
  std::vector<i32> ids;
  bool in_thought = false;  // it ends inside a thought
};

/// What `fathom serve` makes of a request with one user's message: an answer's text is its content,
/// without thoughts and control tokens, up to a stop text.
class ChatCodec {
 public:
  /// The tokenizer must outlive it.
  ChatCodec(tokenizer::RecognisedChatTemplate found, const tokenizer::Tokenizer& tokenizer)
      : found_(std::move(found)), tokenizer_(tokenizer) {}

  /// Throws Error where the template has no form for it.
  ChatPrompt prompt(const std::string& message) const;
  tokenizer::AnswerReader reader(const ChatPrompt& prompt, std::vector<std::string> stop) const;

 private:
  tokenizer::RecognisedChatTemplate found_;
  const tokenizer::Tokenizer& tokenizer_;
};

/// The content of the parts, appended.
void add_content(const std::vector<tokenizer::AnswerPart>& parts, std::string& text);

}  // namespace fathom::eval
