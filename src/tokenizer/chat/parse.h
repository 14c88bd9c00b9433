#pragma once
// A chat request from JSON, in the shape of OpenAI's chat API with the keys that DeepSeek's API,
// vLLM and transformers add. Every key is honoured, harmless or refused by name: one that was
// passed over in silence would give another prompt than its writer meant.
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "tokenizer/chat/message.h"

namespace fathom::io {
class JsonValue;
}

namespace fathom::tokenizer {

struct ParsedChatRequest {
  ChatRequest request;
  /// Keys about sampling ("temperature", "max_tokens") that the text gives. They change no prompt;
  /// whoever generates honours them or says that it does not.
  std::vector<std::string> sampling_keys;
};

/// A list of messages, or an object with `messages` and perhaps `tools`, `tool_choice`, `thinking`,
/// `enable_thinking`, `add_generation_prompt`, `continue_final_message` and `chat_template_kwargs`.
/// A key whose value is null or empty says nothing. `where` names the text. Errors name the message
/// and the field: kInvalidInput for what is malformed, kUnsupported for what has no meaning here.
/// With `unknown` messages may have keys that mean nothing here; their places go there.
Result<ParsedChatRequest> parse_chat_request(std::string_view text, const std::string& where);
Result<ParsedChatRequest> read_chat_request(const io::JsonValue& root, const std::string& where,
                                            std::vector<std::string>* unknown = nullptr);

/// One message. `content` is text or a list of text parts, which are joined with nothing between,
/// as the templates that take such lists do. The roles "developer" and "function" are OpenAI's
/// newer and older names of "system" and "tool".
Result<Message> parse_message(const io::JsonValue& value, const std::string& where,
                              std::vector<std::string>* unknown = nullptr);

/// A list of tool definitions, each kept as JSON text.
Result<std::vector<std::string>> parse_tools(std::string_view text, const std::string& where);

}  // namespace fathom::tokenizer
