// V3.1 and V3.2-Exp: one model with and without thinking. The assistant's turn always carries a
// mark of which: "</think>" (no thought, or one that was dropped) or "<think>".
#include "tokenizer/chat/render/render.h"

namespace fathom::tokenizer {
namespace {

/// Whether there is any system text's message.
bool write_system(const ChatRequest& request, PromptWriter& out) {
  std::string system;
  bool any = false;
  for (const Message& message : request.messages) {
    if (message.role != "system") continue;
    if (any) system += "\n\n";
    system += content_of(message);
    any = true;
  }
  out.token(kBos).text(system);
  write_hybrid_tools(request, !system.empty(), out);
  return any || !request.tools.empty();  // tool definitions are system text
}

void write_calls(const Message& message, PromptWriter& out) {
  out.text(content_of(message)).token(kCallsBegin);
  for (const ToolCall& call : message.tool_calls) {
    out.token(kCallBegin).text(call.name).token(kToolSep).text(call.arguments).token(kCallEnd);
  }
  out.token(kCallsEnd).token(kEos);
}

}  // namespace

// Quirks kept: nothing follows tool results, the model goes on right behind them; an answer stored
// after tool results has no turn token and keeps its thoughts.
void render_hybrid_thought(const ChatTemplate& chat_template, const ChatRequest& request,
                           PromptWriter& out) {
  const bool tracks_system = chat_template.traits.answers_after_system;
  // The template sets is_only_sys while it collects the system text, before the first turn.
  bool is_only_system = write_system(request, out) && tracks_system;
  bool is_tool = false, is_last_user = false;
  for (const Message& message : request.messages) {
    if (message.role == "user") {
      is_tool = false;
      is_last_user = true;
      out.token(kUserTurn).text(content_of(message));
    } else if (message.role == "assistant" && !message.tool_calls.empty()) {
      if (is_last_user || is_only_system) out.token(kAssistantTurn).token(kThinkEnd);
      is_last_user = false;
      is_tool = false;
      write_calls(message, out);
    } else if (message.role == "assistant") {
      const bool opens_thought = message.prefix && request.thinking == Thinking::kOn;
      if (is_last_user) out.token(kAssistantTurn).token(opens_thought ? kThinkBegin : kThinkEnd);
      is_last_user = false;
      const std::string& content = content_of(message);
      write_content(request, message, is_tool ? content : after_first_think_end(content), out);
      out.token(kEos);
      is_tool = false;
    } else if (message.role == "tool") {
      is_last_user = false;
      is_tool = true;
      out.token(kOutputBegin).text(content_of(message)).token(kOutputEnd);
    }
    if (message.role != "system") is_only_system = false;
  }
  // V3.2-Exp opens a turn after an answer too (its template looks at a "prefix" mark that we do not
  // have); V3.1 only after a user message.
  if (request.add_generation_prompt && !is_tool && (is_last_user || tracks_system)) {
    out.token(kAssistantTurn);
    out.token(request.thinking == Thinking::kOn ? kThinkBegin : kThinkEnd);
  }
}

}  // namespace fathom::tokenizer
