// From the items of `input` to a conversation of templates: an assistant's thoughts, text and
// calls, which are items of their own, become one message.
#include <fmt/format.h>

#include "base/text.h"
#include "serve/api/responses/responses_request.h"
#include "serve/generate/tool_history.h"

namespace fathom::serve {
namespace {

using io::JsonValue;
using tokenizer::Message;

std::string text_member(const JsonValue& value, std::string_view name) {
  const JsonValue* const member = value.find(name);
  return member != nullptr && member->is_string() ? member->as_string() : "";
}

class ItemReader {
 public:
  ItemReader(FieldReader& reader, Conversation& conversation)
      : reader_(reader), conversation_(conversation) {}

  void read_all() {
    if (const auto instructions = reader_.text("instructions", size_t{32} << 20)) {
      if (!instructions->empty()) add("system", *instructions);
    }
    const JsonValue* const input = reader_.find("input");
    if (input == nullptr) {
      return reader_.fail(bad_request("missing_required_parameter", "input",
                                      "input: expected a string or items, found none"));
    }
    if (input->is_string()) return add("user", input->as_string());
    const io::JsonArray* const items = reader_.array("input", kMaxMessages);
    for (size_t i = 0; items != nullptr && i < items->size() && reader_.ok(); ++i) {
      read_item((*items)[i], fmt::format("input[{}]", i));
    }
    drop_lone_thought();
    if (conversation_.chat.messages.empty() && reader_.ok()) {
      reader_.fail_range("input", "at least one message", *input);
    }
  }

 private:
  std::vector<Message>& messages() { return conversation_.chat.messages; }
  void add(std::string role, std::string content) {
    messages().push_back({.role = std::move(role), .content = std::move(content)});
  }

  void fail(std::string code, const std::string& place, const std::string& expected,
            const std::string& found) {
    reader_.fail(bad_request(std::move(code), place,
                             fmt::format("{}: expected {}, found {}", place, expected, found)));
  }

  void read_item(const JsonValue& item, const std::string& place) {
    if (!item.is_object()) {
      return fail("invalid_type", place, "an object", printable(io::describe(item)));
    }
    const std::string type = text_member(item, "type");
    if (type == "message" || (type.empty() && item.find("role") != nullptr)) {
      read_message(item, place);
    } else if (type == "function_call" || type == "custom_tool_call") {
      read_call(item, type == "custom_tool_call", place);
    } else if (type == "function_call_output" || type == "custom_tool_call_output") {
      read_output(item, place);
    } else if (type == "reasoning") {
      read_reasoning(item);
    } else {
      conversation_.ignored.push_back(place +
                                      (type.empty() ? "" : "." + printable(type.substr(0, 64))));
    }
  }

  void read_message(const JsonValue& item, const std::string& place) {
    std::string role = text_member(item, "role");
    if (role == "developer") role = "system";
    if (role != "user" && role != "assistant" && role != "system") {
      return fail("unsupported_value", place + ".role",
                  "\"user\", \"assistant\", \"system\" or \"developer\"",
                  role.empty() ? "none" : "\"" + printable(role.substr(0, 64)) + "\"");
    }
    std::string text = read_text(item, "content", place);
    if (role != "assistant") return add(role, std::move(text));
    Message& message = assistant(false);
    message.content = std::move(text);
  }

  /// The assistant's message that the next item belongs to: one that waits for what was thought
  /// before it, or for more calls.
  Message& assistant(bool is_call) {
    const bool waits =
        !messages().empty() && messages().back().role == "assistant" &&
        (is_call || (messages().back().content->empty() && messages().back().tool_calls.empty()));
    if (!waits) add("assistant", "");
    return messages().back();
  }

  /// A string, or parts of text.
  std::string read_text(const JsonValue& item, std::string_view name, const std::string& place) {
    const JsonValue* const value = item.find(name);
    const std::string where = fmt::format("{}.{}", place, name);
    if (value == nullptr || value->is_null()) {
      fail("missing_required_parameter", where, "a string or parts", "none");
      return {};
    }
    if (value->is_string()) return value->as_string();
    if (!value->is_array()) {
      fail("invalid_type", where, "a string or parts", printable(io::describe(*value)));
      return {};
    }
    std::string all;
    for (size_t i = 0; i < value->as_array().size(); ++i) {
      const JsonValue& part = value->as_array()[i];
      const std::string type = text_member(part, "type");
      const bool is_refusal = type == "refusal";
      if (type != "input_text" && type != "output_text" && type != "text" && !is_refusal) {
        fail("unsupported_value", fmt::format("{}[{}].type", where, i), "a part of text",
             type.empty() ? "none" : "\"" + printable(type.substr(0, 64)) + "\"");
        return {};
      }
      all += text_member(part, is_refusal ? "refusal" : "text");
    }
    return all;
  }

  void read_call(const JsonValue& item, bool is_custom, const std::string& place) {
    const std::string name = text_member(item, "name");
    if (name.empty()) {
      return fail("missing_required_parameter", place + ".name", "a function's name", "none");
    }
    std::string arguments = text_member(item, is_custom ? "input" : "arguments");
    if (is_custom) {
      io::JsonObject object;
      object.set("input", std::move(arguments));
      arguments = io::write_json(object);
    }
    assistant(true).tool_calls.push_back(
        {.id = text_member(item, "call_id"),
         .name = flat_name({.name = name, .name_space = text_member(item, "namespace")}),
         .arguments = arguments.empty() ? "{}" : std::move(arguments)});
  }

  void read_output(const JsonValue& item, const std::string& place) {
    messages().push_back({.role = "tool",
                          .content = read_text(item, "output", place),
                          .tool_call_id = text_member(item, "call_id")});
  }

  /// The thought itself, or its summary where that is all.
  void read_reasoning(const JsonValue& item) {
    std::string thought;
    for (const char* const list : {"content", "summary"}) {
      const JsonValue* const parts = item.find(list);
      if (parts == nullptr || !parts->is_array() || !thought.empty()) continue;
      for (const JsonValue& part : parts->as_array()) thought += text_member(part, "text");
    }
    drop_lone_thought();
    if (!thought.empty()) {
      messages().push_back(
          {.role = "assistant", .content = "", .reasoning_content = std::move(thought)});
    }
  }

  /// A thought that nothing followed.
  void drop_lone_thought() {
    if (messages().empty()) return;
    const Message& last = messages().back();
    if (last.role == "assistant" && last.content->empty() && last.tool_calls.empty()) {
      messages().pop_back();
    }
  }

  FieldReader& reader_;
  Conversation& conversation_;
};

}  // namespace

void read_items(FieldReader& reader, Conversation& conversation) {
  ItemReader(reader, conversation).read_all();
  order_results(conversation.chat);
}

}  // namespace fathom::serve
