#pragma once
// A chat request from JSON, in the shape of OpenAI's API.
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "tokenizer/chat/message.h"

namespace fathom::cli {

/// A list of messages, or an object with `messages` and optionally `tools`. `where` names the text.
/// Errors name the message and the field.
Result<tokenizer::ChatRequest> parse_chat_request(std::string_view text, const std::string& where);

/// A list of tool definitions, each kept as JSON text.
Result<std::vector<std::string>> parse_tools(std::string_view text, const std::string& where);

}  // namespace fathom::cli
