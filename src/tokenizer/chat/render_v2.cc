// Templates without tools: V2's plain words, Moonlight's role headers, and ChatML.
#include "tokenizer/chat/render.h"

namespace fathom::tokenizer {

void render_plain_turns(const ChatTemplate&, const ChatRequest& request, PromptWriter& out) {
  out.token(kBos);
  for (const Message& message : request.messages) {
    if (message.role == "user") {
      out.text("User: ").text(content_of(message)).text("\n\n");
    } else if (message.role == "assistant") {
      out.text("Assistant: ");
      write_content(request, message, content_of(message), out);
      out.token(kEos);
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
    out.text(message.role).token(kImMiddle);
    write_content(request, message, content_of(message), out);
    out.token(kImEnd);
  }
  if (request.add_generation_prompt) out.token(kImAssistant).text("assistant").token(kImMiddle);
}

void render_chat_ml(const ChatTemplate& chat_template, const ChatRequest& request,
                    PromptWriter& out) {
  const auto begin = [&](std::string_view role) -> PromptWriter& {
    return out.token(kImStart).text(role).text("\n");
  };
  const std::string_view system = chat_template.traits.default_system;
  if (!system.empty() && request.messages.front().role != "system") {
    begin("system").text(system).token(kImEnd).text("\n");
  }
  for (const Message& message : request.messages) {
    begin(message.role);
    write_content(request, message, content_of(message), out);
    out.token(kImEnd).text("\n");
  }
  if (request.add_generation_prompt) out.token(kImStart).text("assistant\n");
}

}  // namespace fathom::tokenizer
