#include "cli/generate/chat_request.h"

#include <fmt/format.h>

#include <utility>

#include "io/json.h"

namespace fathom::cli {
namespace {

using io::JsonValue;
using tokenizer::Message;
using tokenizer::ToolCall;

/// A string member that may be absent or null.
Result<std::string> optional_string(const JsonValue& object, std::string_view key,
                                    const std::string& where) {
  const JsonValue* value = object.find(key);
  if (value == nullptr || value->is_null()) return std::string();
  return io::get_string(object, key, where);
}

Result<ToolCall> parse_tool_call(const JsonValue& value, const std::string& where) {
  auto function = io::get_object(value, "function", where);
  if (!function) return tl::unexpected(function.error());
  auto id = optional_string(value, "id", where);
  if (!id) return tl::unexpected(id.error());
  const JsonValue& body = *value.find("function");
  auto name = io::get_string(body, "name", where + ".function");
  if (!name) return tl::unexpected(name.error());
  auto arguments = io::get_string(body, "arguments", where + ".function");
  if (!arguments) return tl::unexpected(arguments.error());
  return ToolCall{.id = *id, .name = *name, .arguments = *arguments};
}

Result<Message> parse_message(const JsonValue& value, const std::string& where) {
  Message message;
  auto role = io::get_string(value, "role", where);
  if (!role) return tl::unexpected(role.error());
  message.role = *role;
  const JsonValue* content = value.find("content");
  if (content != nullptr && !content->is_null()) {
    auto text = io::get_string(value, "content", where);
    if (!text) return tl::unexpected(text.error());
    message.content = *text;
  }
  for (auto [key, field] : {std::pair{"reasoning_content", &message.reasoning_content},
                            std::pair{"tool_call_id", &message.tool_call_id}}) {
    auto text = optional_string(value, key, where);
    if (!text) return tl::unexpected(text.error());
    *field = *text;
  }
  const JsonValue* calls = value.find("tool_calls");
  if (calls == nullptr || calls->is_null()) return message;
  auto list = io::get_array(value, "tool_calls", where);
  if (!list) return tl::unexpected(list.error());
  for (size_t i = 0; i < (*list)->size(); ++i) {
    auto call = parse_tool_call((**list)[i], fmt::format("{}.tool_calls[{}]", where, i));
    if (!call) return tl::unexpected(call.error());
    message.tool_calls.push_back(std::move(*call));
  }
  return message;
}

std::vector<std::string> to_texts(const io::JsonArray& values) {
  std::vector<std::string> texts;
  for (const JsonValue& value : values) texts.push_back(io::write_json(value));
  return texts;
}

}  // namespace

Result<tokenizer::ChatRequest> parse_chat_request(std::string_view text, const std::string& where) {
  auto root = io::parse_json(text, where);
  if (!root) return tl::unexpected(root.error());
  tokenizer::ChatRequest request;
  const io::JsonArray* messages = root->is_array() ? &root->as_array() : nullptr;
  if (messages == nullptr) {
    auto member = io::get_array(*root, "messages", where);
    if (!member) return tl::unexpected(member.error());
    messages = *member;
    if (const JsonValue* tools = root->find("tools"); tools != nullptr && !tools->is_null()) {
      auto list = io::get_array(*root, "tools", where);
      if (!list) return tl::unexpected(list.error());
      request.tools = to_texts(**list);
    }
  }
  for (size_t i = 0; i < messages->size(); ++i) {
    auto message = parse_message((*messages)[i], fmt::format("{}: messages[{}]", where, i));
    if (!message) return tl::unexpected(message.error());
    request.messages.push_back(std::move(*message));
  }
  return request;
}

Result<std::vector<std::string>> parse_tools(std::string_view text, const std::string& where) {
  auto root = io::parse_json(text, where);
  if (!root) return tl::unexpected(root.error());
  if (!root->is_array()) {
    return invalid_input(
        fmt::format("{}: expected a list of tools, found {}", where, io::describe(*root)));
  }
  return to_texts(root->as_array());
}

}  // namespace fathom::cli
