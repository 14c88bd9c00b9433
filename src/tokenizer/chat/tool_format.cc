#include "tokenizer/chat/tool_format.h"

#include "tokenizer/chat/marks.h"

namespace fathom::tokenizer {

std::optional<ToolFormat> tool_format(ChatDialect dialect) {
  switch (dialect) {
    case ChatDialect::kNullContent:
    case ChatDialect::kRunningCalls:
    case ChatDialect::kTurnTracking:
      return ToolFormat::kFenced;
    case ChatDialect::kHybridThought:
      return ToolFormat::kPlain;
    case ChatDialect::kDsml:
      return ToolFormat::kDsml;
    case ChatDialect::kQwen25:
    case ChatDialect::kQwen3:
      return ToolFormat::kChatMl;
    case ChatDialect::kKimiFirst:
    case ChatDialect::kKimi:
    case ChatDialect::kKimiThinking:
      return ToolFormat::kKimi;
    case ChatDialect::kLlama31:
      return ToolFormat::kLlama;
    case ChatDialect::kPlainTurns:
    case ChatDialect::kRoleHeaders:
    case ChatDialect::kChatMl:
    case ChatDialect::kLlama3:
      return std::nullopt;
  }
  return std::nullopt;
}

std::vector<std::string_view> tool_marks(ToolFormat format) {
  switch (format) {
    case ToolFormat::kFenced:
    case ToolFormat::kPlain:
      return {kCallsBegin, kCallsEnd, kCallBegin, kCallEnd, kToolSep};
    case ToolFormat::kDsml:
      return {kDsmlMark};
    case ToolFormat::kChatMl:
      return {kToolCallBegin, kToolCallEnd};
    case ToolFormat::kKimi:
      return {kKimiCallsBegin, kKimiCallsEnd, kKimiCallBegin, kKimiCallEnd, kKimiArgumentsBegin};
    case ToolFormat::kLlama:
      return {};
  }
  return {};
}

}  // namespace fathom::tokenizer
