#pragma once
// What an answer consists of, as it is read out of the text that a model writes.
#include <string>
#include <vector>

#include "base/types.h"
#include "tokenizer/chat/message.h"

namespace fathom::tokenizer {

/// A piece of an answer. Its text is valid UTF-8 by itself and never empty where it is a piece of
/// something longer.
struct AnswerPart {
  enum class Kind {
    kReasoning,  // a piece of the thoughts
    kContent,    // a piece of what is said
    kCallBegin,  // `text` is the function's name
    kArguments,  // a piece of the running call's arguments, JSON text of one object
    kCallEnd,
  };
  Kind kind = Kind::kContent;
  std::string text = {};
  i64 call = 0;  // of a call's parts: its index, from 0
  /// Of kCallBegin, where whoever hands parts on gives calls names. No template writes one.
  std::string id = {};
  /// Of kCallEnd: the arguments are one whole JSON object. False: the answer was cut inside them,
  /// or the model wrote something else, which is then there as it was written.
  bool complete = false;
  bool operator==(const AnswerPart&) const = default;
};

/// All parts together.
struct Answer {
  std::string reasoning, content;
  std::vector<ToolCall> tool_calls;
  i64 complete_calls = 0;  // those whose kCallEnd says so
};
void add(const AnswerPart& part, Answer& answer);

}  // namespace fathom::tokenizer
