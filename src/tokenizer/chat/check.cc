// What is refused before rendering. Every message names the place as a client would write it:
// messages[3].tool_calls[0].arguments.
#include <fmt/format.h>

#include "io/json.h"
#include "tokenizer/chat/render/render.h"

namespace fathom::tokenizer {
namespace {

constexpr size_t kMaxMessages = 1 << 16;
constexpr size_t kMaxTools = 1 << 12;
constexpr size_t kMaxRequestBytes = size_t{64} << 20;

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
  if (!request.tools.empty() && chat_template.dialect == ChatDialect::kLlama31) {
    // They stand in the first message behind the system's.
    const size_t first = request.messages.front().role == "system" ? 1 : 0;
    if (first >= request.messages.size() || request.messages[first].role != "user") {
      return unsupported(no_form(chat_template, fmt::format("messages[{}].role", first),
                                 "tools but before a user's first message"));
    }
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
  if (!last.reasoning_content.empty() && chat_template.thinking == ThinkingSupport::kNever) {
    return unsupported(
        no_form(chat_template, where + ".reasoning_content", "thoughts to go on with"));
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

Result<void> check_chat_request(const ChatTemplate& chat_template, const ChatRequest& request) {
  if (auto good = check_size(request); !good) return good;
  if (auto good = check_thinking(chat_template, request); !good) return good;
  if (auto good = check_tools(chat_template, request); !good) return good;
  if (request.date_string && !chat_template.traits.has_date) {
    return unsupported(no_form(chat_template, "date_string", "date"));
  }
  if (auto good = check_messages(chat_template, request); !good) return good;
  if (auto good = check_end(chat_template, request); !good) return good;
  return check_running_thoughts(chat_template, request);
}

}  // namespace fathom::tokenizer
