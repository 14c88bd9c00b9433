// V2.5 to R1-0528: three generations of one format. They differ in when a turn's flags are reset,
// which changes what a second round of tool calls looks like; each function below follows its
// published template step by step, in the template's order.
#include "tokenizer/chat/render/render.h"

namespace fathom::tokenizer {
namespace {

constexpr std::string_view kSpacesBeforeBos = "        ";

/// The system text right after BOS, wherever the system messages stand, and the tool definitions.
void write_v3_system(const ChatTemplate& chat_template, const ChatRequest& request,
                     PromptWriter& out) {
  std::string system;
  bool first = true;
  for (const Message& message : request.messages) {
    if (message.role != "system") continue;
    if (chat_template.traits.spaces_per_system_message) out.text(kSpacesBeforeBos);
    if (!chat_template.traits.joins_system_messages) {
      system = content_of(message);
    } else {
      if (!first) system += "\n\n";
      system += content_of(message);
    }
    first = false;
  }
  // Tool definitions are system text: alone, they count as one such message.
  if (first && !request.tools.empty() && chat_template.traits.spaces_per_system_message) {
    out.text(kSpacesBeforeBos);
  }
  out.token(kBos).text(system);
  write_markdown_tools(request, !system.empty(), out);
}

void write_call(const ToolCall& call, PromptWriter& out) {
  out.token(kCallBegin).text("function").token(kToolSep).text(call.name);
  out.text("\n```json\n").text(call.arguments).text("\n```").token(kCallEnd);
}

void write_generation_prompt(const ChatTemplate& chat_template, PromptWriter& out) {
  out.token(kAssistantTurn);
  if (chat_template.traits.opens_thought) out.token(kThinkBegin).text("\n");
}

std::string_view past_answer(const ChatTemplate& chat_template, const Message& message) {
  const std::string& content = content_of(message);
  return chat_template.traits.drops_thoughts ? after_last_think_end(content) : content;
}

/// An answer without calls: in a turn of its own, or right behind the results of calls.
void write_answer(const ChatTemplate& chat_template, const ChatRequest& request,
                  const Message& message, bool is_after_results, PromptWriter& out) {
  out.token(is_after_results ? kOutputsEnd : kAssistantTurn);
  const std::string_view text =
      is_after_results ? content_of(message) : past_answer(chat_template, message);
  write_content(request, message, text, out);
  out.token(kEos);
}

void write_result(const Message& message, PromptWriter& out) {
  out.token(kOutputBegin).text(content_of(message)).token(kOutputEnd);
}

/// What begins a result: its round, or a new line.
void begin_result(bool is_first, PromptWriter& out) {
  if (is_first) {
    out.token(kOutputsBegin);
  } else {
    out.text("\n");
  }
}

}  // namespace

// Quirk kept: only the second and later calls are followed by the end of the calls and of the turn;
// a single call is followed by neither. The first-call flag is never reset, so that a second round
// begins with a newline instead of a new turn.
// The published template leaves out the calls beside a content, and agents send both: such a
// message is written as R1 writes it, in a turn of its own.
void render_null_content(const ChatTemplate& chat_template, const ChatRequest& request,
                         PromptWriter& out) {
  write_v3_system(chat_template, request, out);
  bool is_first = false, is_tool = false, is_output_first = true;
  for (const Message& message : request.messages) {
    if (message.role == "user") {
      is_tool = false;
      out.token(kUserTurn).text(content_of(message));
    } else if (message.role == "assistant" && !message.tool_calls.empty()) {
      is_tool = false;
      bool opens_turn = !is_first || !content_of(message).empty();
      for (const ToolCall& call : message.tool_calls) {
        if (opens_turn) {
          out.token(kAssistantTurn).text(content_of(message)).token(kCallsBegin);
          write_call(call, out);
          is_first = true;
          opens_turn = false;
        } else {
          out.text("\n");
          write_call(call, out);
          out.token(kCallsEnd).token(kEos);
        }
      }
    } else if (message.role == "assistant") {
      write_answer(chat_template, request, message, is_tool, out);
      is_tool = false;
    } else if (message.role == "tool") {
      is_tool = true;
      begin_result(is_output_first, out);
      write_result(message, out);
      is_output_first = false;
    }
  }
  if (is_tool) out.token(kOutputsEnd);
  if (request.add_generation_prompt && !is_tool) write_generation_prompt(chat_template, out);
}

// Quirk kept: both flags are set once per conversation, so that a second round of calls has neither
// turn nor beginning of calls, and its results no beginning of results; the results of a round that
// is followed by more calls are never ended.
void render_running_calls(const ChatTemplate& chat_template, const ChatRequest& request,
                          PromptWriter& out) {
  write_v3_system(chat_template, request, out);
  bool is_first = false, is_tool = false, is_output_first = true;
  for (const Message& message : request.messages) {
    if (message.role == "user") {
      is_tool = false;
      out.token(kUserTurn).text(content_of(message));
    } else if (message.role == "assistant" && !message.tool_calls.empty()) {
      is_tool = false;
      for (const ToolCall& call : message.tool_calls) {
        if (!is_first) {
          out.token(kAssistantTurn).text(content_of(message)).token(kCallsBegin);
          is_first = true;
        } else {
          out.text("\n");
        }
        write_call(call, out);
      }
      out.token(kCallsEnd).token(kEos);
    } else if (message.role == "assistant") {
      write_answer(chat_template, request, message, is_tool, out);
      is_tool = false;
    } else if (message.role == "tool") {
      is_tool = true;
      if (is_output_first) out.token(kOutputsBegin);
      write_result(message, out);
      is_output_first = false;
    }
  }
  if (is_tool) out.token(kOutputsEnd);
  if (request.add_generation_prompt && !is_tool) write_generation_prompt(chat_template, out);
}

// Quirk kept: every user message opens the assistant's turn, whether or not a generation prompt is
// asked for; after an answer a generation prompt opens one more.
void render_turn_tracking(const ChatTemplate& chat_template, const ChatRequest& request,
                          PromptWriter& out) {
  write_v3_system(chat_template, request, out);
  bool is_tool = false, is_output_first = true, is_last_user = false;
  for (const Message& message : request.messages) {
    if (message.role == "user") {
      is_tool = false;
      is_last_user = true;
      out.token(kUserTurn).text(content_of(message)).token(kAssistantTurn);
    } else if (message.role == "assistant") {
      is_last_user = false;
      if (is_tool) out.token(kOutputsEnd);
      is_tool = false;
      write_content(request, message, past_answer(chat_template, message), out);
      if (!message.tool_calls.empty()) {
        is_output_first = true;
        for (size_t i = 0; i < message.tool_calls.size(); ++i) {
          if (i == 0) {
            out.token(kCallsBegin);
          } else {
            out.text("\n");
          }
          write_call(message.tool_calls[i], out);
        }
        out.token(kCallsEnd);
      }
      out.token(kEos);
    } else if (message.role == "tool") {
      is_last_user = false;
      is_tool = true;
      begin_result(is_output_first, out);
      write_result(message, out);
      is_output_first = false;
    }
  }
  if (is_tool) out.token(kOutputsEnd);
  if (request.add_generation_prompt && !is_last_user && !is_tool) out.token(kAssistantTurn);
}

}  // namespace fathom::tokenizer
