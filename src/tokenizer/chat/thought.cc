// Thoughts at the end of a prompt: those that the template opens, those that the model opens
// itself, and those that the model is to go on with.
#include <fmt/format.h>

#include "tokenizer/chat/render/render.h"

namespace fathom::tokenizer {
namespace {

void append_text(std::string_view text, std::vector<Segment>& segments) {
  if (text.empty()) return;
  if (segments.empty() || segments.back().kind != SegmentKind::kText) {
    segments.push_back({SegmentKind::kText, {}});
  }
  segments.back().text += text;
}

}  // namespace

bool ends_in_thought(std::span<const Segment> segments) {
  for (size_t i = segments.size(); i-- > 0;) {
    if (segments[i].kind == SegmentKind::kToken) return segments[i].text == kThinkBegin;
  }
  return false;
}

std::vector<Segment> own_thought_opening(const ChatTemplate& chat_template,
                                         const ChatRequest& request,
                                         std::span<const Segment> prompt) {
  const bool thinks =
      chat_template.thinking == ThinkingSupport::kAlways ||
      (chat_template.thinking == ThinkingSupport::kDefaultOn && request.thinking != Thinking::kOff);
  // Behind results DeepSeek's models go on without a turn of their own.
  const bool has_turn = chat_template.dialect == ChatDialect::kQwen3 ||
                        chat_template.dialect == ChatDialect::kKimiThinking ||
                        request.messages.back().role != "tool";
  const bool begins_turn =
      request.add_generation_prompt && !request.continue_final_message && has_turn;
  if (!thinks || !begins_turn || ends_in_thought(prompt)) return {};
  std::vector<Segment> opening = {{SegmentKind::kToken, std::string(kThinkBegin)}};
  if (chat_template.dialect != ChatDialect::kKimiThinking) {
    opening.push_back({SegmentKind::kText, "\n"});
  }
  return opening;
}

bool goes_on_thinking(const ChatRequest& request) {
  const Message& last = request.messages.back();
  if (!request.continue_final_message || last.reasoning_content.empty()) return false;
  return request.thinking != Thinking::kOff || content_of(last).empty();
}

Result<std::vector<Segment>> render_thought(const ChatTemplate& chat_template,
                                            const ChatRequest& request) {
  ChatRequest before = request;
  const Message last = std::move(before.messages.back());
  before.messages.pop_back();
  const std::string where = fmt::format("messages[{}].reasoning_content", before.messages.size());
  if (before.messages.empty()) {
    return invalid_input(where + ": expected a message before the thought to go on with");
  }
  before.continue_final_message = false;
  before.add_generation_prompt = true;
  const bool is_choice = chat_template.thinking == ThinkingSupport::kChoice;
  if (is_choice && before.thinking == Thinking::kDefault) before.thinking = Thinking::kOn;
  auto segments = render_chat(chat_template, before);
  if (!segments) return segments;
  const auto opening = own_thought_opening(chat_template, before, *segments);
  for (const Segment& segment : opening) {
    if (segment.kind == SegmentKind::kToken) {
      segments->push_back(segment);
    } else {
      append_text(segment.text, *segments);
    }
  }
  if (!ends_in_thought(*segments)) {
    return unsupported(fmt::format(
        "{}: the chat template {} (of {}) opens no thought here that the model could go on with",
        where, chat_template.name, chat_template.models));
  }
  append_text(last.reasoning_content, *segments);
  if (content_of(last).empty()) return segments;
  segments->push_back({SegmentKind::kToken, std::string(kThinkEnd)});
  append_text(content_of(last), *segments);
  return segments;
}

}  // namespace fathom::tokenizer
