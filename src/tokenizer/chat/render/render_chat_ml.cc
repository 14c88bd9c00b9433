// ChatML as SmolLM2, Qwen2, Qwen2.5 and Qwen3 write it: <|im_start|>role, a line break, the
// content,
// <|im_end|> and a line break.
#include "tokenizer/chat/json.h"
#include "tokenizer/chat/render/render.h"
#include "tokenizer/unicode/python_text.h"

namespace fathom::tokenizer {
namespace {

PromptWriter& begin_turn(std::string_view role, PromptWriter& out) {
  return out.token(kImStart).text(role).text("\n");
}
void end_turn(PromptWriter& out) { out.token(kImEnd).text("\n"); }

void write_turn(const ChatRequest& request, const Message& message, PromptWriter& out) {
  begin_turn(message.role, out);
  write_content(request, message, content_of(message), out);
  end_turn(out);
}

/// The definitions of tools behind the system text, in Qwen's words.
void write_qwen_tools(const ChatRequest& request, PromptWriter& out) {
  out.text(
      "# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
      "You are provided with function signatures within <tools></tools> XML tags:\n<tools>");
  for (const std::string& tool : request.tools) out.text("\n").text(python_json(tool));
  out.text(
      "\n</tools>\n\nFor each function call, return a json object with function name and arguments "
      "within ");
  out.token(kToolCallBegin).token(kToolCallEnd).text(" XML tags:\n").token(kToolCallBegin);
  out.text("\n{\"name\": <function-name>, \"arguments\": <args-json-object>}\n");
  out.token(kToolCallEnd);
}

void write_call(const ToolCall& call, std::string_view arguments, PromptWriter& out) {
  out.token(kToolCallBegin).text("\n{\"name\": \"").text(call.name);
  out.text("\", \"arguments\": ").text(arguments).text("}\n").token(kToolCallEnd);
}

/// One of a run of results, which stand together in a user's turn.
void write_result(const ChatRequest& request, size_t index, PromptWriter& out) {
  const auto is_result = [&](size_t i) {
    return i < request.messages.size() && request.messages[i].role == "tool";
  };
  if (index == 0 || !is_result(index - 1)) out.token(kImStart).text("user");
  out.text("\n").token(kToolResponseBegin).text("\n");
  out.text(content_of(request.messages[index])).text("\n").token(kToolResponseEnd);
  if (!is_result(index + 1)) end_turn(out);
}

void write_generation_prompt(const ChatRequest& request, PromptWriter& out) {
  if (request.add_generation_prompt) begin_turn("assistant", out);
}

/// Where the running turn begins: the last user message that is no result of a tool written by
/// hand.
size_t last_query(const std::vector<Message>& messages) {
  for (size_t i = messages.size(); i-- > 0;) {
    const std::string& content = content_of(messages[i]);
    const bool is_result =
        content.starts_with(kToolResponseBegin) && content.ends_with(kToolResponseEnd);
    if (messages[i].role == "user" && !is_result) return i;
  }
  return messages.size() - 1;
}

/// Qwen3's reading of a stored answer.
struct Answer {
  std::string_view thoughts, content;
};
Answer split_answer(const Message& message) {
  const std::string_view content = content_of(message);
  if (!message.reasoning_content.empty()) return {message.reasoning_content, content};
  const size_t end = content.find(kThinkEnd);
  if (end == std::string_view::npos) return {{}, content};
  std::string_view thoughts = without_trailing_newlines(content.substr(0, end));
  const size_t begin = thoughts.rfind(kThinkBegin);
  if (begin != std::string_view::npos) thoughts.remove_prefix(begin + kThinkBegin.size());
  return {without_leading_newlines(thoughts),
          without_leading_newlines(after_last_think_end(content))};
}

/// An assistant's turn; thoughts are written in the running turn alone.
void write_qwen3_answer(const ChatRequest& request, size_t index, size_t query, PromptWriter& out) {
  const Message& message = request.messages[index];
  const Answer answer = split_answer(message);
  const bool is_last = index + 1 == request.messages.size();
  begin_turn(message.role, out);
  if (index > query && (is_last || !answer.thoughts.empty())) {
    out.token(kThinkBegin).text("\n");
    out.text(without_trailing_newlines(without_leading_newlines(answer.thoughts)));
    out.text("\n").token(kThinkEnd).text("\n\n");
    write_content(request, message, without_leading_newlines(answer.content), out);
  } else {
    write_content(request, message, answer.content, out);
  }
  bool first = answer.content.empty();
  for (const ToolCall& call : message.tool_calls) {
    if (!first) out.text("\n");
    first = false;
    write_call(call, call.arguments, out);
  }
  end_turn(out);
}

}  // namespace

void render_chat_ml(const ChatTemplate& chat_template, const ChatRequest& request,
                    PromptWriter& out) {
  const std::string_view system = default_system(chat_template, request);
  if (!system.empty() && request.messages.front().role != "system") {
    begin_turn("system", out).text(system);
    end_turn(out);
  }
  for (const Message& message : request.messages) write_turn(request, message, out);
  write_generation_prompt(request, out);
}

void render_qwen25(const ChatTemplate& chat_template, const ChatRequest& request,
                   PromptWriter& out) {
  const std::vector<Message>& messages = request.messages;
  const bool has_system = messages.front().role == "system";
  begin_turn("system", out);
  out.text(has_system ? content_of(messages.front()) : default_system(chat_template, request));
  if (!request.tools.empty()) write_qwen_tools(request, out.text("\n\n"));
  end_turn(out);
  for (size_t i = has_system ? 1 : 0; i < messages.size(); ++i) {
    const Message& message = messages[i];
    if (message.role == "tool") {
      write_result(request, i, out);
    } else if (message.tool_calls.empty()) {
      write_turn(request, message, out);
    } else {
      out.token(kImStart).text(message.role);
      if (!content_of(message).empty()) out.text("\n").text(content_of(message));
      for (const ToolCall& call : message.tool_calls) {
        write_call(call, python_json(call.arguments), out.text("\n"));
      }
      end_turn(out);
    }
  }
  write_generation_prompt(request, out);
}

void render_qwen3(const ChatTemplate&, const ChatRequest& request, PromptWriter& out) {
  const std::vector<Message>& messages = request.messages;
  const bool has_system = messages.front().role == "system";
  if (has_system || !request.tools.empty()) {
    begin_turn("system", out);
    if (has_system) out.text(content_of(messages.front()));
    if (has_system && !request.tools.empty()) out.text("\n\n");
    if (!request.tools.empty()) write_qwen_tools(request, out);
    end_turn(out);
  }
  const size_t query = last_query(messages);
  for (size_t i = has_system ? 1 : 0; i < messages.size(); ++i) {
    if (messages[i].role == "tool") {
      write_result(request, i, out);
    } else if (messages[i].role == "assistant") {
      write_qwen3_answer(request, i, query, out);
    } else {
      write_turn(request, messages[i], out);
    }
  }
  write_generation_prompt(request, out);
  if (request.add_generation_prompt && request.thinking == Thinking::kOff) {
    out.token(kThinkBegin).text("\n\n").token(kThinkEnd).text("\n\n");
  }
}

}  // namespace fathom::tokenizer
