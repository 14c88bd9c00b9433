// Llama 3 and its successors: a header with the role, the content without white space around it,
// <|eot_id|>. From 3.1 on a system turn with two dates always comes first, and tools stand in the
// first user message.
#include <chrono>
#include <ctime>
#include <iterator>

#include "io/json.h"
#include "tokenizer/chat/json.h"
#include "tokenizer/chat/render/render.h"
#include "tokenizer/unicode/python_text.h"

namespace fathom::tokenizer {
namespace {

PromptWriter& begin_llama3_turn(std::string_view role, PromptWriter& out) {
  return out.token(kHeaderBegin).text(role).token(kHeaderEnd).text("\n\n");
}

void write_llama3_turn(const ChatRequest& request, const Message& message, PromptWriter& out) {
  begin_llama3_turn(message.role, out);
  write_content(request, message, python_strip(content_of(message)), out);
  out.token(kEndOfTurn);
}

/// Python's strftime("%d %b %Y") of the present day, in English.
std::string today() {
  constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm date{};
  localtime_r(&now, &date);
  char text[32];
  const size_t size = std::strftime(text, sizeof(text), "%d ? %Y", &date);
  std::string day(text, size);
  return day.replace(3, 1, kMonths[date.tm_mon]);
}

std::string date_of(const ChatTemplate& chat_template, const ChatRequest& request) {
  if (request.date_string) return *request.date_string;
  if (request.texts.default_date) return *request.texts.default_date;
  const std::string_view fixed = chat_template.traits.default_date;
  return fixed.empty() ? today() : std::string(fixed);
}

void write_llama3_system(const ChatTemplate& chat_template, const ChatRequest& request,
                         PromptWriter& out) {
  begin_llama3_turn("system", out);
  if (!request.tools.empty()) out.text("Environment: ipython\n");
  out.text("Cutting Knowledge Date: December 2023\nToday Date: ");
  out.text(date_of(chat_template, request)).text("\n\n");
  const Message& first = request.messages.front();
  if (first.role == "system") out.text(python_strip(content_of(first)));
  out.token(kEndOfTurn);
}

void write_first_question(const ChatRequest& request, const Message& message, PromptWriter& out) {
  begin_llama3_turn("user", out)
      .text(
          "Given the following functions, please respond with a JSON for a function call with its "
          "proper arguments that best answers the given prompt.\n\nRespond in the format "
          "{\"name\": "
          "function name, \"parameters\": dictionary of argument name and its value}.Do not use "
          "variables.\n\n");
  for (const std::string& tool : request.tools) out.text(python_json(tool, 4)).text("\n\n");
  out.text(python_strip(content_of(message))).token(kEndOfTurn);
}

/// The published template takes one call and no text in a message; agents send more: each gets a
/// turn of its own.
void write_calls(const ChatRequest& request, const Message& message, PromptWriter& out) {
  if (!content_of(message).empty()) write_llama3_turn(request, message, out);
  for (const ToolCall& call : message.tool_calls) {
    begin_llama3_turn("assistant", out).text("{\"name\": \"").text(call.name);
    out.text("\", \"parameters\": ").text(python_json(call.arguments)).text("}");
    out.token(kEndOfTurn);
  }
}

}  // namespace

void render_llama3(const ChatTemplate&, const ChatRequest& request, PromptWriter& out) {
  out.token(kBeginOfText);
  for (const Message& message : request.messages) write_llama3_turn(request, message, out);
  if (request.add_generation_prompt) begin_llama3_turn("assistant", out);
}

// Quirk kept: a result is text, and the template writes it as a JSON string with its quotes.
void render_llama31(const ChatTemplate& chat_template, const ChatRequest& request,
                    PromptWriter& out) {
  const std::vector<Message>& messages = request.messages;
  out.token(kBeginOfText);
  write_llama3_system(chat_template, request, out);
  size_t next = messages.front().role == "system" ? 1 : 0;
  if (!request.tools.empty()) write_first_question(request, messages[next++], out);
  for (; next < messages.size(); ++next) {
    const Message& message = messages[next];
    if (message.role == "tool") {
      begin_llama3_turn("ipython", out).text(python_json(io::write_json(content_of(message))));
      out.token(kEndOfTurn);
    } else if (message.tool_calls.empty()) {
      write_llama3_turn(request, message, out);
    } else {
      write_calls(request, message, out);
    }
  }
  if (request.add_generation_prompt) begin_llama3_turn("assistant", out);
}

}  // namespace fathom::tokenizer
