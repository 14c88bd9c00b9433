// Chat templates: whatever a client writes, the control tokens of the prompt are the template's
// own. Input: a line "NAME", "NAME on" or "NAME off" (template, thinking), then one line each part
// of the conversation: a letter, and its text.
//   s u a t  a message of system, user, assistant, tool    n  an assistant message without content
//   c        a call "NAME ARGUMENTS" of the last message   r  the last message's thoughts
//   d        a tool's definition
// The whole input is also read as a template to recognise, as JSON to rewrite and as a request.
#include <string>
#include <string_view>

#include "base/check.h"
#include "io/json.h"
#include "tokenizer/chat/json.h"
#include "tokenizer/chat/loose_form.h"
#include "tokenizer/chat/normal_form.h"
#include "tokenizer/chat/parse.h"
#include "tokenizer/chat/template.h"

namespace fathom::tokenizer {
namespace {

void add_line(char kind, std::string_view text, ChatRequest& request) {
  const std::string whole(text);
  if (kind == 'd') {
    request.tools.push_back(whole);
  } else if (kind == 'c' || kind == 'r') {
    if (request.messages.empty()) return;
    Message& message = request.messages.back();
    const size_t space = std::min(text.find(' '), text.size());
    if (kind == 'r') {
      message.reasoning_content = whole;
    } else {
      message.tool_calls.push_back(
          {"", whole.substr(0, space), whole.substr(std::min(space + 1, text.size()))});
    }
  } else {
    Message message;
    message.role = kind == 's'   ? "system"
                   : kind == 'u' ? "user"
                   : kind == 't' ? "tool"
                                 : "assistant";
    if (kind != 'n') message.content = whole;
    request.messages.push_back(std::move(message));
  }
}

const ChatTemplate* read_request(std::string_view input, ChatRequest& request) {
  const ChatTemplate* chat_template = nullptr;
  while (!input.empty()) {
    const size_t end = std::min(input.find('\n'), input.size());
    const std::string_view line = input.substr(0, end);
    input.remove_prefix(std::min(end + 1, input.size()));
    if (chat_template == nullptr) {
      chat_template = find_chat_template(line.substr(0, line.find(' ')));
      if (chat_template == nullptr) return nullptr;
      if (line.ends_with(" on")) request.thinking = Thinking::kOn;
      if (line.ends_with(" off")) request.thinking = Thinking::kOff;
    } else if (!line.empty()) {
      add_line(line[0], line.substr(1), request);
    }
  }
  return chat_template;
}

/// Every control token's spelling holds "<" or "｜", so this leaves none.
std::string harmless(std::string text) {
  for (const std::string_view mark : {"<", "｜"}) {
    for (size_t at = 0; (at = text.find(mark, at)) != std::string::npos;) {
      text.replace(at, mark.size(), "_harmless_");
    }
  }
  return text;
}

ChatRequest harmless(ChatRequest request) {
  for (std::string& tool : request.tools) tool = harmless(tool);
  for (Message& message : request.messages) {
    if (message.content) message.content = harmless(*message.content);
    message.reasoning_content = harmless(message.reasoning_content);
    for (ToolCall& call : message.tool_calls) {
      call.name = harmless(call.name);
      call.arguments = harmless(call.arguments);
    }
  }
  return request;
}

std::string tokens_of(const std::vector<Segment>& segments) {
  std::string tokens;
  const Segment* previous = nullptr;
  for (const Segment& segment : segments) {
    if (segment.kind == SegmentKind::kToken) {
      tokens += segment.text + " ";
    } else {
      FATHOM_CHECK(!segment.text.empty(), "an empty text");
      FATHOM_CHECK(previous == nullptr || previous->kind == SegmentKind::kToken, "texts apart");
    }
    previous = &segment;
  }
  return tokens;
}

void check_rendering(std::string_view input) {
  ChatRequest request;
  const ChatTemplate* chat_template = read_request(input, request);
  if (chat_template == nullptr) return;
  const auto segments = render_chat(*chat_template, request);
  if (!segments) return;
  // Qwen3's template looks for a thought in an answer, and for results in a user's message.
  if (chat_template->dialect == ChatDialect::kQwen3) return;
  const auto same = render_chat(*chat_template, harmless(request));
  FATHOM_CHECK(same.has_value(), "harmless words are refused");
  FATHOM_CHECK(tokens_of(*segments) == tokens_of(*same),
               "a token came from a client: ", tokens_of(*segments), "not ", tokens_of(*same));
}

void check_json(std::string_view input) {
  if (!io::parse_json(input, "input")) return;
  const std::string text = python_json(input);
  FATHOM_CHECK(io::parse_json(text, "text").has_value(), "no JSON: ", text);
  FATHOM_CHECK(python_json(text) == text, "not stable: ", text);
  FATHOM_CHECK(python_json(python_json(input, 4)) == text, "indents change it: ", text);
}

}  // namespace
}  // namespace fathom::tokenizer

extern "C" int LLVMFuzzerTestOneInput(const fathom::u8* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  fathom::tokenizer::check_rendering(input);
  fathom::tokenizer::check_json(input);
  (void)fathom::tokenizer::chat_template_hash(input);
  (void)fathom::tokenizer::chat_template_loose_form(input);
  (void)fathom::tokenizer::parse_chat_request(input, "input");
  return 0;
}
