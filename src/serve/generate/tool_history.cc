#include "serve/generate/tool_history.h"

#include <algorithm>

namespace fathom::serve {

using tokenizer::Message;

std::string tool_definition(const std::string& name, const std::optional<std::string>& description,
                            const io::JsonValue* parameters, std::optional<bool> strict) {
  io::JsonObject function, tool;
  function.set("name", name);
  if (description) function.set("description", *description);
  if (parameters != nullptr) function.set("parameters", *parameters);
  if (strict) function.set("strict", *strict);
  tool.set("type", "function");
  tool.set("function", std::move(function));
  return io::write_json(tool);
}

void order_results(tokenizer::ChatRequest& chat) {
  std::vector<Message>& messages = chat.messages;
  for (auto caller = messages.begin(); caller != messages.end(); ++caller) {
    if (caller->tool_calls.empty()) continue;
    const auto end = std::find_if(caller + 1, messages.end(),
                                  [](const Message& each) { return each.role != "tool"; });
    const auto place = [&](const Message& result) {
      return std::ranges::find(caller->tool_calls, result.tool_call_id, &tokenizer::ToolCall::id) -
             caller->tool_calls.begin();
    };
    std::stable_sort(caller + 1, end,
                     [&](const Message& a, const Message& b) { return place(a) < place(b); });
  }
}

}  // namespace fathom::serve
