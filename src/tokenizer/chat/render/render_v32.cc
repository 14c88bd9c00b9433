// V3.2, which has no Jinja template but a Python encoder (encoding/encoding_dsv32.py of its
// repository): tool calls as XML-like DSML, thoughts kept within the running turn.
#include "tokenizer/chat/json.h"
#include "tokenizer/chat/render/render.h"

namespace fathom::tokenizer {
namespace {

void write_dsml_call(const ToolCall& call, PromptWriter& out) {
  out.text("<").token(kDsmlMark).text("invoke name=\"").text(call.name).text("\">\n");
  bool first = true;
  for (const PythonMember& argument : python_members(call.arguments)) {
    if (!first) out.text("\n");
    first = false;
    out.text("<").token(kDsmlMark).text("parameter name=\"").text(argument.key);
    out.text(argument.is_string ? "\" string=\"true\">" : "\" string=\"false\">");
    out.text(argument.value).text("</").token(kDsmlMark).text("parameter>");
  }
  out.text("\n</").token(kDsmlMark).text("invoke>");
}

void write_dsml_calls(const std::vector<ToolCall>& calls, PromptWriter& out) {
  out.text("\n\n<").token(kDsmlMark).text("function_calls>\n");
  for (size_t i = 0; i < calls.size(); ++i) {
    if (i > 0) out.text("\n");
    write_dsml_call(calls[i], out);
  }
  out.text("\n</").token(kDsmlMark).text("function_calls>");
}

}  // namespace

// The encoder knows no generation prompt: a user message, and the last result of a round of calls,
// always end with the mark that opens the model's thought or skips it.
void render_dsml(const ChatTemplate&, const ChatRequest& request, PromptWriter& out) {
  const std::vector<Message>& messages = request.messages;
  const bool thinking = request.thinking == Thinking::kOn;
  size_t last_user = messages.size();  // size(): there is none, and every message is after it
  for (size_t i = 0; i < messages.size(); ++i) {
    if (messages[i].role == "user") last_user = i;
  }
  const auto thinks_at = [&](size_t i) {
    return thinking && (last_user == messages.size() || i >= last_user);
  };
  out.token(kBos);
  if (!request.tools.empty() && messages.front().role != "system") write_dsml_tools(request, out);

  size_t num_calls = 0, num_results = 0;  // of the running round
  for (size_t i = 0; i < messages.size(); ++i) {
    const Message& message = messages[i];
    if (message.role == "system") {
      out.text(content_of(message));
      if (i == 0 && !request.tools.empty()) write_dsml_tools(request, out);
    } else if (message.role == "user") {
      out.token(kUserTurn).text(content_of(message)).token(kAssistantTurn);
      out.token(thinking && i == last_user ? kThinkBegin : kThinkEnd);
    } else if (message.role == "assistant") {
      if (thinks_at(i)) out.text(message.reasoning_content).token(kThinkEnd);
      write_content(request, message, content_of(message), out);
      if (!message.tool_calls.empty()) write_dsml_calls(message.tool_calls, out);
      out.token(kEos);
      num_calls = message.tool_calls.size();
      num_results = 0;
    } else if (message.role == "tool") {
      if (++num_results == 1) out.text("\n\n<function_results>");
      out.text("\n<result>").text(content_of(message)).text("</result>");
      if (num_results == num_calls) {
        out.text("\n</function_results>\n\n").token(thinks_at(i) ? kThinkBegin : kThinkEnd);
      }
    }
  }
}

}  // namespace fathom::tokenizer
