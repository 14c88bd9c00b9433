#pragma once
#include <optional>
#include <string_view>
#include <vector>

#include "tokenizer/chat/template.h"

namespace fathom::tokenizer {

/// How a model writes a call of `f`; ⏎ is a line break, <..> a control token.
enum class ToolFormat {
  kFenced,  // V3, R1: <calls begin><call begin>function<sep>f⏎```json⏎{..}⏎```<call end>⏎..<calls
            // end>
  kPlain,   // V3.1: <calls begin><call begin>f<sep>{..}<call end>..<calls end>
  kDsml,    // V3.2: XML-like, an argument a line: text as it is, everything else as JSON
  kChatMl,  // Qwen, Hermes: <tool_call>⏎{"name": "f", "arguments": {..}}⏎</tool_call>⏎..
  kKimi,   // Kimi-K2: <calls begin><call begin>functions.f:0<arguments begin>{..}<call end>..<calls
           // end>
  kLlama,  // Llama 3.1: {"name": "f", "parameters": {..}}, without a mark, alone in the answer
};
/// nullopt: the template has no tools.
std::optional<ToolFormat> tool_format(ChatDialect dialect);

/// The marks of a format that a vocabulary may have as tokens.
std::vector<std::string_view> tool_marks(ToolFormat format);

}  // namespace fathom::tokenizer
