// Templates without tools: V2's plain words, and Moonlight's role headers.
#include "tokenizer/chat/render.h"

namespace fathom::tokenizer {

void render_plain_turns(const ChatTemplate&, const ChatRequest& request, PromptWriter& out) {
  out.token(kBos);
  for (const Message& message : request.messages) {
    if (message.role == "user") {
      out.text("User: ").text(content_of(message)).text("\n\n");
    } else if (message.role == "assistant") {
      out.text("Assistant: ").text(content_of(message)).token(kEos);
    } else if (message.role == "system") {
      out.text(content_of(message)).text("\n\n");
    }
  }
  if (request.add_generation_prompt) out.text("Assistant:");
}

void render_role_headers(const ChatTemplate&, const ChatRequest& request, PromptWriter& out) {
  if (request.messages.front().role != "system") {
    out.token(kImSystem).text("system").token(kImMiddle);
    out.text("You are a helpful assistant").token(kImEnd);
  }
  for (const Message& message : request.messages) {
    out.token(message.role == "system"      ? kImSystem
              : message.role == "assistant" ? kImAssistant
                                            : kImUser);
    out.text(message.role).token(kImMiddle).text(content_of(message)).token(kImEnd);
  }
  if (request.add_generation_prompt) out.token(kImAssistant).text("assistant").token(kImMiddle);
}

}  // namespace fathom::tokenizer
