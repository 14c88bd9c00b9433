#include "tokenizer/chat/answer/answer.h"

namespace fathom::tokenizer {

void add(const AnswerPart& part, Answer& answer) {
  switch (part.kind) {
    case AnswerPart::Kind::kReasoning:
      answer.reasoning += part.text;
      break;
    case AnswerPart::Kind::kContent:
      answer.content += part.text;
      break;
    case AnswerPart::Kind::kCallBegin:
      answer.tool_calls.push_back({.id = part.id, .name = part.text, .arguments = {}});
      break;
    case AnswerPart::Kind::kArguments:
      answer.tool_calls.back().arguments += part.text;
      break;
    case AnswerPart::Kind::kCallEnd:
      answer.complete_calls += part.complete ? 1 : 0;
      break;
  }
}

}  // namespace fathom::tokenizer
