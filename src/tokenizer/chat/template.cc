#include "tokenizer/chat/template.h"

#include <fmt/format.h>

#include <array>

#include "base/check.h"
#include "base/text.h"
#include "tokenizer/chat/python_text.h"
#include "tokenizer/chat/render.h"

namespace fathom::tokenizer {
namespace {

constexpr std::array kTemplates = {
    ChatTemplate{"deepseek-v2",
                 "DeepSeek-V2, V2-Lite, Coder-V2",
                 ChatDialect::kPlainTurns,
                 ThinkingSupport::kNever,
                 false,
                 kEos,
                 {}},
    ChatTemplate{"deepseek-v2.5",
                 "DeepSeek-V2.5",
                 ChatDialect::kNullContent,
                 ThinkingSupport::kNever,
                 true,
                 kEos,
                 {.spaces_per_system_message = true}},
    ChatTemplate{"deepseek-v3",
                 "DeepSeek-V3 of December 2024",
                 ChatDialect::kNullContent,
                 ThinkingSupport::kNever,
                 true,
                 kEos,
                 {.joins_system_messages = true}},
    ChatTemplate{"deepseek-v3-0324",
                 "DeepSeek-V3-0324",
                 ChatDialect::kTurnTracking,
                 ThinkingSupport::kNever,
                 true,
                 kEos,
                 {.joins_system_messages = true}},
    ChatTemplate{"deepseek-r1",
                 "DeepSeek-R1",
                 ChatDialect::kRunningCalls,
                 ThinkingSupport::kAlways,
                 true,
                 kEos,
                 {.joins_system_messages = true, .drops_thoughts = true, .opens_thought = true}},
    ChatTemplate{"deepseek-r1-plain",
                 "DeepSeek-R1, where the model writes <think> itself",
                 ChatDialect::kRunningCalls,
                 ThinkingSupport::kAlways,
                 true,
                 kEos,
                 {.joins_system_messages = true, .drops_thoughts = true}},
    ChatTemplate{"deepseek-r1-0528",
                 "DeepSeek-R1-0528 and its distilled Qwen3-8B",
                 ChatDialect::kTurnTracking,
                 ThinkingSupport::kAlways,
                 true,
                 kEos,
                 {.joins_system_messages = true, .drops_thoughts = true}},
    ChatTemplate{"deepseek-r1-distill",
                 "DeepSeek-R1-Distill-Qwen and -Llama",
                 ChatDialect::kNullContent,
                 ThinkingSupport::kAlways,
                 true,
                 kEos,
                 {.drops_thoughts = true, .opens_thought = true}},
    ChatTemplate{"deepseek-r1-distill-plain",
                 "DeepSeek-R1-Distill, where the model writes <think> itself",
                 ChatDialect::kNullContent,
                 ThinkingSupport::kAlways,
                 true,
                 kEos,
                 {.drops_thoughts = true}},
    ChatTemplate{"deepseek-v3.1",
                 "DeepSeek-V3.1",
                 ChatDialect::kHybridThought,
                 ThinkingSupport::kChoice,
                 true,
                 kEos,
                 {.joins_system_messages = true}},
    ChatTemplate{"deepseek-v3.2-exp",
                 "DeepSeek-V3.2-Exp",
                 ChatDialect::kHybridThought,
                 ThinkingSupport::kChoice,
                 true,
                 kEos,
                 {.joins_system_messages = true, .answers_after_system = true}},
    ChatTemplate{"deepseek-v3.2",
                 "DeepSeek-V3.2",
                 ChatDialect::kDsml,
                 ThinkingSupport::kChoice,
                 true,
                 kEos,
                 {}},
    ChatTemplate{"moonlight",
                 "Moonlight-16B-A3B-Instruct",
                 ChatDialect::kRoleHeaders,
                 ThinkingSupport::kNever,
                 false,
                 kImEnd,
                 {}},
    ChatTemplate{
        "smollm2",
        "SmolLM2-Instruct",
        ChatDialect::kChatMl,
        ThinkingSupport::kNever,
        false,
        kImEnd,
        {.default_system = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"}},
};

}  // namespace

std::span<const ChatTemplate> chat_templates() { return kTemplates; }

const ChatTemplate* find_chat_template(std::string_view name) {
  for (const ChatTemplate& chat_template : kTemplates) {
    if (chat_template.name == name) return &chat_template;
  }
  return nullptr;
}

Result<const ChatTemplate*> parse_chat_template_name(std::string_view name) {
  if (const ChatTemplate* found = find_chat_template(name)) return found;
  std::array<std::string_view, kTemplates.size()> names;
  for (size_t i = 0; i < names.size(); ++i) names[i] = kTemplates[i].name;
  const std::string nearest = nearest_name(name, names);
  return invalid_input(
      fmt::format("chat template \"{}\" is not built in{}; expected one of: {}", name.substr(0, 80),
                  nearest.empty() ? "" : " (\"" + nearest + "\"?)", fmt::join(names, ", ")));
}

Result<std::vector<Segment>> render_chat(const ChatTemplate& chat_template,
                                         const ChatRequest& request) {
  if (auto good = check_chat_request(chat_template, request); !good) {
    return tl::unexpected(good.error());
  }
  PromptWriter out;
  switch (chat_template.dialect) {
    case ChatDialect::kPlainTurns:
      render_plain_turns(chat_template, request, out);
      break;
    case ChatDialect::kNullContent:
      render_null_content(chat_template, request, out);
      break;
    case ChatDialect::kRunningCalls:
      render_running_calls(chat_template, request, out);
      break;
    case ChatDialect::kTurnTracking:
      render_turn_tracking(chat_template, request, out);
      break;
    case ChatDialect::kHybridThought:
      render_hybrid_thought(chat_template, request, out);
      break;
    case ChatDialect::kDsml:
      render_dsml(chat_template, request, out);
      break;
    case ChatDialect::kRoleHeaders:
      render_role_headers(chat_template, request, out);
      break;
    case ChatDialect::kChatMl:
      render_chat_ml(chat_template, request, out);
      break;
  }
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

bool ends_in_thought(std::span<const Segment> segments) {
  for (size_t i = segments.size(); i-- > 0;) {
    if (segments[i].kind == SegmentKind::kToken) return segments[i].text == kThinkBegin;
    if (segments[i].text != "\n") return false;  // R1 has a newline after the token
  }
  return false;
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
