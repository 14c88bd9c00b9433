// V2's plain words.
#include "tokenizer/chat/render/render.h"

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

}  // namespace fathom::tokenizer
