#include <fmt/format.h>

#include <array>
#include <utility>

#include "io/json.h"
#include "tokenizer/chat/json.h"
#include "tokenizer/chat/parse.h"
#include "tokenizer/chat/parse_keys.h"

namespace fathom::tokenizer {
namespace {

using io::JsonValue;

Result<void> read_text(const JsonValue& value, const std::string& place, std::string& out) {
  if (!value.is_string()) return wrong(place, "a string", value);
  out = value.as_string();
  return {};
}

/// A text part of a content that is a list.
Result<std::string> parse_part(const JsonValue& part, const std::string& place,
                               std::vector<std::string>* unknown) {
  if (!part.is_object()) return wrong(place, "an object with \"type\"", part);
  const auto type = io::get_string(part, "type", place);
  if (!type) return tl::unexpected(type.error());
  // What an assistant said instead of an answer comes back as a part of its own.
  if (*type != "text" && *type != "refusal") {
    return unsupported(fmt::format("{}.type: only \"text\" parts are supported, found {}", place,
                                   io::describe(*part.find("type"))));
  }
  for (const auto& [key, value] : part.as_object()) {
    if (key == "type" || key == *type || says_nothing(value)) continue;
    if (unknown == nullptr) {
      return unsupported(
          fmt::format("{}.{}: not a key of a {} part", place, printable(key), *type));
    }
    unknown->push_back(place + "." + key);
  }
  return io::get_string(part, *type, place);
}

/// {"name": ..., "arguments": ...}; arguments as JSON text, or the object itself.
Result<void> parse_function(const JsonValue& body, const std::string& place, ToolCall& call) {
  auto name = io::get_string(body, "name", place);
  if (!name) return tl::unexpected(name.error());
  call.name = std::move(*name);
  const JsonValue* const arguments = body.find("arguments");
  if (arguments != nullptr && arguments->is_object()) {
    call.arguments = python_json(io::write_json(*arguments));
    return {};
  }
  auto text = io::get_string(body, "arguments", place);
  if (!text) return tl::unexpected(text.error());
  call.arguments = std::move(*text);
  return {};
}

Result<ToolCall> parse_tool_call(const JsonValue& value, const std::string& place) {
  ToolCall call;
  const auto function = io::get_object(value, "function", place);
  if (!function) return tl::unexpected(function.error());
  auto done = parse_function(*value.find("function"), place + ".function", call);
  if (!done) return tl::unexpected(done.error());
  if (const JsonValue* id = value.find("id"); id != nullptr && !id->is_null()) {
    if (auto read = read_text(*id, place + ".id", call.id); !read) {
      return tl::unexpected(read.error());
    }
  }
  const JsonValue* const type = value.find("type");
  if (type != nullptr && !type->is_null() &&
      !(type->is_string() && type->as_string() == "function")) {
    return unsupported(fmt::format("{}.type: only \"function\" is supported, found {}", place,
                                   io::describe(*type)));
  }
  return call;
}

/// Reads the members of one message.
class MessageReader {
 public:
  explicit MessageReader(std::vector<std::string>* unknown) : unknown_(unknown) {}

  Result<Message> read(const JsonValue& value, const std::string& where) {
    if (!value.is_object()) return wrong(where, "an object", value);
    if (auto role = io::get_string(value, "role", where); !role) {
      return tl::unexpected(role.error());
    }
    auto done = read_members(*this, kKeys, value.as_object(), where + ".", unknown_);
    if (!done) return tl::unexpected(done.error());
    if (message_.role == "developer") message_.role = "system";
    if (message_.role == "function") message_.role = "tool";
    return std::move(message_);
  }

 private:
  template <std::string Message::*kField>
  Result<void> read_into(const JsonValue& value, const std::string& place) {
    return read_text(value, place, message_.*kField);
  }

  Result<void> read_content(const JsonValue& value, const std::string& place) {
    if (value.is_string()) {
      message_.content = value.as_string();
      return {};
    }
    if (!value.is_array()) return wrong(place, "a string or a list of text parts", value);
    std::string& content = message_.content.emplace();
    const io::JsonArray& parts = value.as_array();
    for (size_t i = 0; i < parts.size(); ++i) {
      auto text = parse_part(parts[i], fmt::format("{}[{}]", place, i), unknown_);
      if (!text) return tl::unexpected(text.error());
      content += *text;
    }
    return {};
  }

  /// Under each of its names; two of them must agree.
  Result<void> read_reasoning(const JsonValue& value, const std::string& place) {
    std::string text;
    if (auto done = read_text(value, place, text); !done) return done;
    std::string& known = message_.reasoning_content;
    if (!known.empty() && known != text) {
      return invalid_input(place + ": another text than the message's thoughts under another key");
    }
    known = std::move(text);
    return {};
  }

  Result<void> read_tool_calls(const JsonValue& value, const std::string& place) {
    if (!value.is_array()) return wrong(place, "an array", value);
    const io::JsonArray& calls = value.as_array();
    for (size_t i = 0; i < calls.size(); ++i) {
      auto call = parse_tool_call(calls[i], fmt::format("{}[{}]", place, i));
      if (!call) return tl::unexpected(call.error());
      message_.tool_calls.push_back(std::move(*call));
    }
    return {};
  }

  Result<void> read_prefix(const JsonValue& value, const std::string& place) {
    std::optional<bool> prefix;
    if (auto done = read_bool(value, place, prefix); !done) return done;
    message_.prefix = message_.prefix || *prefix;
    return {};
  }

  static const std::array<MemberKey<MessageReader>, 9> kKeys;

  std::vector<std::string>* unknown_;
  Message message_;
};

const std::array<MemberKey<MessageReader>, 9> MessageReader::kKeys = {{
    {"role", &MessageReader::read_into<&Message::role>},
    {"content", &MessageReader::read_content},
    {"name", &MessageReader::read_into<&Message::name>},
    {"reasoning_content", &MessageReader::read_reasoning},
    {"reasoning", &MessageReader::read_reasoning},
    {"tool_calls", &MessageReader::read_tool_calls},
    {"tool_call_id", &MessageReader::read_into<&Message::tool_call_id>},
    {"prefix", &MessageReader::read_prefix},   // DeepSeek's API
    {"partial", &MessageReader::read_prefix},  // Moonshot's and Alibaba's
}};

}  // namespace

Result<Message> parse_message(const JsonValue& value, const std::string& where,
                              std::vector<std::string>* unknown) {
  return MessageReader(unknown).read(value, where);
}

}  // namespace fathom::tokenizer
