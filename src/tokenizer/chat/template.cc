#include "tokenizer/chat/template.h"

#include <fmt/format.h>

#include "base/check.h"
#include "tokenizer/chat/render/render.h"
#include "tokenizer/unicode/python_text.h"

namespace fathom::tokenizer {
namespace {

using Renderer = void (*)(const ChatTemplate&, const ChatRequest&, PromptWriter&);

Renderer renderer_of(ChatDialect dialect) {
  switch (dialect) {
    case ChatDialect::kPlainTurns:
      return render_plain_turns;
    case ChatDialect::kNullContent:
      return render_null_content;
    case ChatDialect::kRunningCalls:
      return render_running_calls;
    case ChatDialect::kTurnTracking:
      return render_turn_tracking;
    case ChatDialect::kHybridThought:
      return render_hybrid_thought;
    case ChatDialect::kDsml:
      return render_dsml;
    case ChatDialect::kRoleHeaders:
      return render_role_headers;
    case ChatDialect::kChatMl:
      return render_chat_ml;
    case ChatDialect::kQwen25:
      return render_qwen25;
    case ChatDialect::kQwen3:
      return render_qwen3;
    case ChatDialect::kLlama3:
      return render_llama3;
    case ChatDialect::kLlama31:
      return render_llama31;
    case ChatDialect::kKimiFirst:
      return render_kimi_first;
    case ChatDialect::kKimi:
      return render_kimi;
    case ChatDialect::kKimiThinking:
      return render_kimi_thinking;
  }
  FATHOM_CHECK(false, "a chat dialect without a renderer");
  return nullptr;
}

}  // namespace

Result<std::vector<Segment>> render_chat(const ChatTemplate& chat_template,
                                         const ChatRequest& request) {
  if (auto good = check_chat_request(chat_template, request); !good) {
    return tl::unexpected(good.error());
  }
  if (goes_on_thinking(request)) return render_thought(chat_template, request);
  PromptWriter out;
  renderer_of(chat_template.dialect)(chat_template, request, out);
  if (request.continue_final_message && !out.is_closed()) {
    return unsupported(fmt::format(
        "messages[{}].content: the chat template {} (of {}) leaves a part of it out, so it cannot "
        "be continued",
        request.messages.size() - 1, chat_template.name, chat_template.models));
  }
  return out.take();
}

void write_content(const ChatRequest& request, const Message& message, std::string_view text,
                   PromptWriter& out) {
  out.text(text);
  const bool is_last = &message == &request.messages.back();
  if (!request.continue_final_message || !is_last) return;
  // A template may trim white space, as transformers allows too.
  if (text.find(python_strip(content_of(message))) != std::string_view::npos) out.close();
}

std::string chat_text(std::span<const Segment> segments) {
  std::string text;
  for (const Segment& segment : segments) text += segment.text;
  return text;
}

std::string_view after_last_think_end(std::string_view text) {
  const size_t at = text.rfind(kThinkEnd);
  return at == std::string_view::npos ? text : text.substr(at + kThinkEnd.size());
}

std::string_view after_first_think_end(std::string_view text) {
  const size_t at = text.find(kThinkEnd);
  return at == std::string_view::npos ? text : text.substr(at + kThinkEnd.size());
}

}  // namespace fathom::tokenizer
