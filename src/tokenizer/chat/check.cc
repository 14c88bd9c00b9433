// What is refused before rendering. Every message names the place as a client would write it:
// messages[3].tool_calls[0].arguments.
#include <fmt/format.h>

#include <algorithm>

#include "io/json.h"
#include "tokenizer/chat/render.h"

namespace fathom::tokenizer {
namespace {

constexpr size_t kMaxMessages = 1 << 16;
constexpr size_t kMaxTools = 1 << 12;
constexpr size_t kMaxCallsPerMessage = 1 << 12;
constexpr size_t kMaxRequestBytes = size_t{64} << 20;

/// A client's word in an error message: short, whatever was sent.
std::string in_quotes(std::string_view word) {
  return word.size() > 40 ? fmt::format("\"{}…\" ({} bytes)", word.substr(0, 40), word.size())
                          : fmt::format("\"{}\"", word);
}

std::string no_form(const ChatTemplate& chat_template, std::string_view where,
                    std::string_view what) {
  return fmt::format("{}: the chat template {} (of {}) has no {}", where, chat_template.name,
                     chat_template.models, what);
}

/// A function's name stands between control tokens, quotes and line breaks of the prompt.
Result<void> check_function_name(std::string_view name, const std::string& where) {
  if (name.empty()) return invalid_input(where + ": expected a function's name, found none");
  if (name.size() > 256) {
    return invalid_input(
        fmt::format("{}: expected at most 256 bytes, found {}", where, name.size()));
  }
  for (const char c : name) {
    if (static_cast<u8>(c) < 0x20 || c == '"' || c == '`' || c == '<' || c == '>') {
      return invalid_input(where +
                           ": a function's name has no quotes, angle brackets or control "
                           "characters, found " +
                           in_quotes(name));
    }
  }
  return {};
}

Result<void> check_size(const ChatRequest& request) {
  if (request.messages.empty()) return invalid_input("messages: expected at least one message");
  if (request.messages.size() > kMaxMessages) {
    return invalid_input(fmt::format("messages: expected at most {}, found {}", kMaxMessages,
                                     request.messages.size()));
  }
  if (request.tools.size() > kMaxTools) {
    return invalid_input(
        fmt::format("tools: expected at most {}, found {}", kMaxTools, request.tools.size()));
  }
  size_t bytes = 0;
  for (const std::string& tool : request.tools) bytes += tool.size();
  for (const Message& message : request.messages) {
    bytes += message.role.size() + (message.content ? message.content->size() : 0) +
             message.reasoning_content.size() + message.tool_call_id.size() + message.name.size();
    for (const ToolCall& call : message.tool_calls) {
      bytes += call.id.size() + call.name.size() + call.arguments.size();
    }
  }
  if (bytes > kMaxRequestBytes) {
    return invalid_input(fmt::format("messages: expected at most {} bytes of text, found {}",
                                     kMaxRequestBytes, bytes));
  }
  return {};
}

Result<void> check_thinking(const ChatTemplate& chat_template, const ChatRequest& request) {
  if (request.thinking == Thinking::kOn && chat_template.thinking == ThinkingSupport::kNever) {
    return unsupported(no_form(chat_template, "thinking", "thinking mode"));
  }
  if (request.thinking == Thinking::kOff && chat_template.thinking == ThinkingSupport::kAlways) {
    return unsupported(no_form(chat_template, "thinking", "form without thinking"));
  }
  if (request.thinking == Thinking::kOn && !request.tools.empty() &&
      chat_template.dialect == ChatDialect::kHybridThought) {
    return unsupported(
        fmt::format("tools: the chat template {} (of {}) supports tools only without thinking",
                    chat_template.name, chat_template.models));
  }
  return {};
}

Result<void> check_tools(const ChatTemplate& chat_template, const ChatRequest& request) {
  if (!request.tools.empty() && !chat_template.has_tools) {
    return unsupported(no_form(chat_template, "tools", "tools"));
  }
  for (size_t i = 0; i < request.tools.size(); ++i) {
    const std::string where = fmt::format("tools[{}]", i);
    const auto tool = io::parse_json(request.tools[i], where);
    if (!tool) return tl::unexpected(tool.error());
    const auto function = io::get_object(*tool, "function", where);
    if (!function) return tl::unexpected(function.error());
    const std::string inside = where + ".function";
    const auto name = io::get_string(*tool->find("function"), "name", inside);
    if (!name) return tl::unexpected(name.error());
    if (auto good = check_function_name(*name, inside + ".name"); !good) return good;
    const io::JsonValue* description = (*function)->find("description");
    if (description != nullptr && !description->is_string() && !description->is_null()) {
      return invalid_input(inside + ".description: expected a string, found " +
                           io::describe(*description));
    }
    const io::JsonValue* parameters = (*function)->find("parameters");
    if (parameters != nullptr && !parameters->is_object()) {
      return invalid_input(inside + ".parameters: expected an object, found " +
                           io::describe(*parameters));
    }
  }
  return {};
}

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
  if (chat_template.dialect == ChatDialect::kNullContent && message.content &&
      !message.content->empty()) {
    // The published template would leave the calls out of the prompt without a word.
    return unsupported(no_form(chat_template, where + ".content", "text beside tool_calls"));
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
  if (message.name.empty()) return {};
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
  if (!message.content && message.tool_calls.empty()) {
    return invalid_input(where + ".content: expected a string, found none");
  }
  if (auto good = check_name(chat_template, message, round, where); !good) return good;
  if (is_tool) return check_result(chat_template, message, round, where);
  round = {.calls = message.tool_calls.empty() ? nullptr : &message.tool_calls, .num_results = 0};
  return check_calls(chat_template, message, where);
}

/// The end of a prompt that has no generation prompt.
Result<void> check_end(const ChatTemplate& chat_template, const ChatRequest& request) {
  const Message& last = request.messages.back();
  const std::string where = fmt::format("messages[{}]", request.messages.size() - 1);
  if (!request.continue_final_message) {
    if (request.add_generation_prompt || chat_template.dialect != ChatDialect::kDsml ||
        last.role == "assistant" || last.role == "system") {
      return {};
    }
    return unsupported(
        no_form(chat_template, "add_generation_prompt", "prompt without the model's turn"));
  }
  if (last.role != "assistant" || !last.tool_calls.empty()) {
    return invalid_input(where +
                         ": expected an assistant's message without tool_calls, as it is to be "
                         "continued, found one of role " +
                         in_quotes(last.role));
  }
  if (!last.reasoning_content.empty() && chat_template.dialect != ChatDialect::kDsml) {
    return unsupported(no_form(chat_template, where + ".reasoning_content",
                               "thoughts apart from the content before an answer to continue"));
  }
  return {};
}

/// V3.2 thinks before every answer of the running turn, so a stored one without is malformed.
Result<void> check_running_thoughts(const ChatTemplate& chat_template, const ChatRequest& request) {
  if (chat_template.dialect != ChatDialect::kDsml || request.thinking != Thinking::kOn) return {};
  for (size_t i = request.messages.size(); i-- > 0 && request.messages[i].role != "user";) {
    const Message& message = request.messages[i];
    if (message.role == "assistant" && message.reasoning_content.empty() &&
        message.tool_calls.empty()) {
      return invalid_input(fmt::format(
          "messages[{}].reasoning_content: expected the thoughts of an answer after the last user "
          "message, as thinking is on, found none",
          i));
    }
  }
  return {};
}

}  // namespace

Result<void> check_chat_request(const ChatTemplate& chat_template, const ChatRequest& request) {
  if (auto good = check_size(request); !good) return good;
  if (auto good = check_thinking(chat_template, request); !good) return good;
  if (auto good = check_tools(chat_template, request); !good) return good;
  Round round;
  for (size_t i = 0; i < request.messages.size(); ++i) {
    auto good =
        check_message(chat_template, request.messages[i], round, fmt::format("messages[{}]", i));
    if (!good) return good;
  }
  if (auto good = check_end(chat_template, request); !good) return good;
  return check_running_thoughts(chat_template, request);
}

}  // namespace fathom::tokenizer
