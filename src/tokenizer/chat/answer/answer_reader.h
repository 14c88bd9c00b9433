#pragma once
// The inverse of a chat template: from the tokens that a model generates to thoughts, content and
// tool calls, while they come.
//
// For every way of cutting the same text into tokens and the same answer into calls of push() the
// concatenated parts are the same. A mark (</think>, <｜tool▁call▁begin｜>, <tool_call>) counts
// only as the template writes it: as the token where the vocabulary has one, so that the same
// characters from ordinary tokens stay text; as text where it has none. No mark reaches a part.
#include <memory>
#include <string>
#include <vector>

#include "base/types.h"
#include "tokenizer/chat/answer/answer.h"
#include "tokenizer/chat/template.h"

namespace fathom::tokenizer {

struct AnswerOptions {
  bool in_thought = false;  // the prompt ends inside a thought: ends_in_thought()
  /// Names of the functions that may be called; empty: no calls are looked for.
  std::vector<std::string> tools = {};
  /// Texts that end the answer where they occur in the content, not in thoughts or arguments.
  std::vector<std::string> stop = {};
};

/// One per choice. The tokenizer must outlive it.
class AnswerReader {
 public:
  AnswerReader(const ChatTemplate& chat_template, const Tokenizer& tokenizer,
               AnswerOptions options);
  AnswerReader(AnswerReader&&) noexcept;
  AnswerReader& operator=(AnswerReader&&) noexcept;
  ~AnswerReader();

  /// Appends to `parts` what is certain with the next token; a token that ends the answer is not to
  /// be pushed.
  void push(i32 id, std::vector<AnswerPart>& parts);
  /// The end, and what was held back. `cut`: the model would have gone on (max_tokens, an
  /// interruption); a call of which not even the name is complete is dropped then. Otherwise its
  /// text is content.
  void finish(bool cut, std::vector<AnswerPart>& parts);

  /// A stop text came: the answer is over, and whatever is pushed after is ignored. The token that
  /// completed it is the last one of the answer.
  bool stopped() const;
  /// The stop text that came.
  const std::string& stop_text() const;
  /// The next token belongs to a thought (the one that ends the thought does too).
  bool in_thought() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fathom::tokenizer
