#include "eval/model/chat_codec.h"

namespace fathom::eval {

ChatPrompt ChatCodec::prompt(const std::string& message) const {
  tokenizer::ChatRequest request;
  request.messages.push_back({.role = "user", .content = message});
  request.texts = found_.texts;
  const auto segments = value_or_throw(tokenizer::render_chat(*found_.chat_template, request));
  return {tokenizer::encode_chat(tokenizer_, segments), tokenizer::ends_in_thought(segments)};
}

tokenizer::AnswerReader ChatCodec::reader(const ChatPrompt& prompt,
                                          std::vector<std::string> stop) const {
  return {*found_.chat_template,
          tokenizer_,
          {.in_thought = prompt.in_thought, .tools = {}, .stop = std::move(stop)}};
}

void add_content(const std::vector<tokenizer::AnswerPart>& parts, std::string& text) {
  for (const tokenizer::AnswerPart& part : parts) {
    if (part.kind == tokenizer::AnswerPart::Kind::kContent) text += part.text;
  }
}

}  // namespace fathom::eval
