// The messages of a conversation: roles, contents, calls and their results.
#include <fmt/format.h>

#include <algorithm>

#include "io/json.h"
#include "tokenizer/chat/render/render.h"

namespace fathom::tokenizer {
namespace {

constexpr size_t kMaxCallsPerMessage = 1 << 12;

Result<void> check_calls(const ChatTemplate& chat_template, const Message& message,
                         const std::string& where) {
  if (message.tool_calls.empty()) return {};
  if (!chat_template.has_tools) {
    return unsupported(no_form(chat_template, where + ".tool_calls", "tools"));
  }
  if (message.tool_calls.size() > kMaxCallsPerMessage) {
    return invalid_input(fmt::format("{}.tool_calls: expected at most {}, found {}", where,
                                     kMaxCallsPerMessage, message.tool_calls.size()));
  }
  for (size_t i = 0; i < message.tool_calls.size(); ++i) {
    const ToolCall& call = message.tool_calls[i];
    const std::string field = fmt::format("{}.tool_calls[{}]", where, i);
    if (auto good = check_function_name(call.name, field + ".name"); !good) return good;
    const auto arguments = io::parse_json(call.arguments, field + ".arguments");
    if (!arguments) return tl::unexpected(arguments.error());
    if (!arguments->is_object()) {
      return invalid_input(field + ".arguments: expected a JSON object, found " +
                           io::describe(*arguments));
    }
  }
  return {};
}

/// The round of calls that is waiting for results.
struct Round {
  const std::vector<ToolCall>* calls = nullptr;
  size_t num_results = 0;
};

Result<void> check_result(const ChatTemplate& chat_template, const Message& message, Round& round,
                          const std::string& where) {
  if (!chat_template.has_tools) {
    return unsupported(no_form(chat_template, where + ".role", "tools"));
  }
  if (round.calls == nullptr) {
    return invalid_input(where +
                         ".role: a tool's result must follow the assistant message whose "
                         "tool_calls it answers");
  }
  if (++round.num_results > round.calls->size()) {
    return invalid_input(fmt::format("{}.role: more results than the {} calls before them", where,
                                     round.calls->size()));
  }
  if (message.tool_call_id.empty()) return {};
  bool any_id = false;
  for (const ToolCall& call : *round.calls) {
    if (call.id == message.tool_call_id) return {};
    any_id = any_id || !call.id.empty();
  }
  if (!any_id) return {};
  return invalid_input(fmt::format("{}.tool_call_id: {} is the id of no call before it", where,
                                   in_quotes(message.tool_call_id)));
}

/// Who speaks, by name, where the template has a place for it. A result may name its function.
Result<void> check_name(const ChatTemplate& chat_template, const Message& message,
                        const Round& round, const std::string& where) {
  if (message.name.empty() || chat_template.traits.has_names) return {};
  if (message.role != "tool") return unsupported(no_form(chat_template, where + ".name", "names"));
  const bool is_called =
      round.calls != nullptr &&
      std::ranges::any_of(*round.calls, [&](const ToolCall& c) { return c.name == message.name; });
  if (is_called) return {};
  return invalid_input(fmt::format("{}.name: {} is the function of no call before it", where,
                                   in_quotes(message.name)));
}

Result<void> check_message(const ChatTemplate& chat_template, const Message& message, Round& round,
                           const std::string& where) {
  const bool is_assistant = message.role == "assistant", is_tool = message.role == "tool";
  if (!is_assistant && !is_tool && message.role != "system" && message.role != "user") {
    return invalid_input(
        fmt::format("{}.role: expected \"system\", \"user\", \"assistant\" or \"tool\", found {}",
                    where, in_quotes(message.role)));
  }
  if (!is_assistant && !message.tool_calls.empty()) {
    return invalid_input(where + ".tool_calls: only an assistant calls tools");
  }
  const bool is_thought = is_assistant && message.prefix && !message.reasoning_content.empty();
  if (!message.content && message.tool_calls.empty() && !is_thought) {
    return invalid_input(where + ".content: expected a string, found none");
  }
  if (auto good = check_name(chat_template, message, round, where); !good) return good;
  if (is_tool) return check_result(chat_template, message, round, where);
  round = {.calls = message.tool_calls.empty() ? nullptr : &message.tool_calls, .num_results = 0};
  return check_calls(chat_template, message, where);
}

}  // namespace

Result<void> check_messages(const ChatTemplate& chat_template, const ChatRequest& request) {
  Round round;
  for (size_t i = 0; i < request.messages.size(); ++i) {
    auto good =
        check_message(chat_template, request.messages[i], round, fmt::format("messages[{}]", i));
    if (!good) return good;
  }
  return {};
}

}  // namespace fathom::tokenizer
