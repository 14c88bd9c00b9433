// Moonlight and Kimi-K2: a role's own token, its name, <|im_middle|>, the content, <|im_end|>.
#include <deque>

#include "tokenizer/chat/json.h"
#include "tokenizer/chat/render/render.h"

namespace fathom::tokenizer {
namespace {

/// Kimi-K2 numbers all calls of a conversation, and gives the ids to the results in their order.
class CallIds {
 public:
  std::string next_of(const ToolCall& call) {
    pending_.push_back("functions." + call.name + ":" + std::to_string(num_calls_++));
    return pending_.back();
  }
  std::string answered_by(const Message& result) {
    if (pending_.empty()) {
      const std::string name = result.name.empty() ? "unknown" : result.name;
      return "functions." + name + ":" + std::to_string(num_calls_);
    }
    std::string id = std::move(pending_.front());
    pending_.pop_front();
    return id;
  }

 private:
  size_t num_calls_ = 0;
  std::deque<std::string> pending_;
};

std::string_view role_token(const Message& message) {
  if (message.role == "user") return kImUser;
  return message.role == "assistant" ? kImAssistant : kImSystem;
}

PromptWriter& begin_turn(const Message& message, PromptWriter& out) {
  const std::string& name = message.name.empty() ? message.role : message.name;
  return out.token(role_token(message)).text(name).token(kImMiddle);
}

void write_tools(const ChatRequest& request, PromptWriter& out) {
  if (request.tools.empty()) return;
  out.token(kImSystem).text("tool_declare").token(kImMiddle).text("[");
  for (size_t i = 0; i < request.tools.size(); ++i) {
    out.text(i == 0 ? "" : ", ").text(python_json(request.tools[i]));
  }
  out.text("]").token(kImEnd);
}

void write_default_system(const ChatTemplate& chat_template, const ChatRequest& request,
                          PromptWriter& out) {
  if (request.messages.front().role == "system") return;
  out.token(kImSystem).text("system").token(kImMiddle);
  out.text(default_system(chat_template, request)).token(kImEnd);
}

void write_call(std::string_view id, std::string_view arguments, PromptWriter& out) {
  out.token(kKimiCallBegin).text(id).token(kKimiArgumentsBegin).text(arguments);
  out.token(kKimiCallEnd);
}

void write_calls(const Message& message, CallIds& ids, PromptWriter& out) {
  out.token(kKimiCallsBegin);
  for (const ToolCall& call : message.tool_calls)
    write_call(ids.next_of(call), call.arguments, out);
  out.token(kKimiCallsEnd);
}

void write_result(std::string_view id, const Message& message, PromptWriter& out) {
  out.text("## Return of ").text(id).text("\n").text(content_of(message));
}

void write_kimi_generation_prompt(const ChatRequest& request, PromptWriter& out) {
  if (request.add_generation_prompt) out.token(kImAssistant).text("assistant").token(kImMiddle);
}

}  // namespace

void render_role_headers(const ChatTemplate& chat_template, const ChatRequest& request,
                         PromptWriter& out) {
  write_default_system(chat_template, request, out);
  for (const Message& message : request.messages) {
    begin_turn(message, out);
    write_content(request, message, content_of(message), out);
    out.token(kImEnd);
  }
  write_kimi_generation_prompt(request, out);
}

// Quirks kept: each message's calls are numbered from 0, whatever ids a client gave them, but a
// result is written with the client's id.
void render_kimi_first(const ChatTemplate& chat_template, const ChatRequest& request,
                       PromptWriter& out) {
  write_tools(request, out);
  write_default_system(chat_template, request, out);
  for (const Message& message : request.messages) {
    begin_turn(message, out);
    if (message.role == "tool") {
      write_result(message.tool_call_id, message, out);
    } else {
      write_content(request, message, content_of(message), out);
    }
    if (!message.tool_calls.empty()) {
      CallIds ids;
      out.token(kKimiCallsBegin);
      for (const ToolCall& call : message.tool_calls) {
        write_call(ids.next_of(call), python_json(call.arguments), out);
      }
      out.token(kKimiCallsEnd);
    }
    out.token(kImEnd);
  }
  write_kimi_generation_prompt(request, out);
}

// Quirk kept: a line break follows the default system text.
void render_kimi(const ChatTemplate& chat_template, const ChatRequest& request, PromptWriter& out) {
  write_tools(request, out);
  write_default_system(chat_template, request, out);
  if (request.messages.front().role != "system") out.text("\n");
  CallIds ids;
  for (const Message& message : request.messages) {
    begin_turn(message, out);
    if (message.role == "tool") {
      write_result(ids.answered_by(message), message, out);
    } else {
      write_content(request, message, content_of(message), out);
    }
    if (!message.tool_calls.empty()) write_calls(message, ids, out);
    out.token(kImEnd);
  }
  write_kimi_generation_prompt(request, out);
}

// Quirk kept: thoughts are dropped up to the first answer without calls, not up to the last.
void render_kimi_thinking(const ChatTemplate& chat_template, const ChatRequest& request,
                          PromptWriter& out) {
  const std::vector<Message>& messages = request.messages;
  const auto is_answer = [&](size_t i) {
    return messages[i].role == "assistant" && messages[i].tool_calls.empty();
  };
  size_t first_answer = 0;
  while (first_answer < messages.size() && !is_answer(first_answer)) ++first_answer;
  const bool has_answer = first_answer < messages.size();
  write_tools(request, out);
  write_default_system(chat_template, request, out);
  CallIds ids;
  for (size_t i = 0; i < messages.size(); ++i) {
    const Message& message = messages[i];
    begin_turn(message, out);
    if (message.role == "tool") {
      write_result(ids.answered_by(message), message, out);
    } else if (message.role == "assistant") {
      const bool is_past = has_answer && i <= first_answer;
      out.token(kThinkBegin).text(is_past ? std::string_view() : message.reasoning_content);
      out.token(kThinkEnd);
      write_content(request, message, content_of(message), out);
    } else {
      out.text(content_of(message));
    }
    if (!message.tool_calls.empty()) write_calls(message, ids, out);
    out.token(kImEnd);
  }
  write_kimi_generation_prompt(request, out);
}

}  // namespace fathom::tokenizer
