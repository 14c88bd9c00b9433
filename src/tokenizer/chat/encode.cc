#include <fmt/format.h>

#include <array>

#include "tokenizer/chat/render/render.h"
#include "tokenizer/tokenizer.h"

namespace fathom::tokenizer {

std::vector<i32> encode_chat(const Tokenizer& tokenizer, std::span<const Segment> segments) {
  constexpr EncodeOptions kClientText = {.text = TextKind::kPlain};
  std::vector<i32> ids;
  std::string text;  // neighbouring text: BPE must see it whole
  const auto flush = [&] {
    if (!text.empty()) tokenizer.encode_to(text, kClientText, ids);
    text.clear();
  };
  for (const Segment& segment : segments) {
    std::optional<i32> id;
    if (segment.kind == SegmentKind::kToken) id = tokenizer.token_to_id(segment.text);
    if (id) {
      flush();
      ids.push_back(*id);
    } else {
      text += segment.text;
    }
  }
  flush();
  return ids;
}

Result<void> check_chat_tokens(const ChatTemplate& chat_template, const Tokenizer& tokenizer) {
  std::vector<std::string_view> needed;
  switch (chat_template.dialect) {
    case ChatDialect::kPlainTurns:
      needed = {kBos, kEos};
      break;
    case ChatDialect::kLlama3:
    case ChatDialect::kLlama31:
      needed = {kBeginOfText, kHeaderBegin, kHeaderEnd, kEndOfTurn};
      break;
    case ChatDialect::kKimiFirst:
    case ChatDialect::kKimi:
    case ChatDialect::kKimiThinking:
    case ChatDialect::kRoleHeaders:
      needed = {kImSystem, kImUser, kImAssistant, kImMiddle, kImEnd};
      break;
    case ChatDialect::kChatMl:
    case ChatDialect::kQwen25:
    case ChatDialect::kQwen3:
      needed = {kImStart, kImEnd};
      break;
    default:
      needed = {kBos, kEos, kUserTurn, kAssistantTurn};
  }
  if (chat_template.thinking != ThinkingSupport::kNever) {
    needed.insert(needed.end(), {kThinkBegin, kThinkEnd});
  }
  std::erase_if(needed, [&](std::string_view spelling) {
    return tokenizer.token_to_id(spelling).has_value();
  });
  if (needed.empty()) return {};
  return invalid_input(fmt::format(
      "tokenizer.json: the chat template {} (of {}) needs tokens that the vocabulary lacks: {}",
      chat_template.name, chat_template.models, fmt::join(needed, " ")));
}

}  // namespace fathom::tokenizer
