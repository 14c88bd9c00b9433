#pragma once
// Tools and the results of calls, for dialects that write them in another way than OpenAI's chat.
#include <optional>
#include <string>

#include "io/json.h"
#include "tokenizer/chat/message.h"

namespace fathom::serve {

/// {"type": "function", "function": {...}} as JSON text. `parameters`: a JSON Schema; nullptr:
/// none.
std::string tool_definition(const std::string& name, const std::optional<std::string>& description,
                            const io::JsonValue* parameters, std::optional<bool> strict);

/// Puts the results that follow an assistant's calls into the order of the calls: templates write
/// no ids, so a result answers the call at its place.
void order_results(tokenizer::ChatRequest& chat);

}  // namespace fathom::serve
