// From Anthropic's messages, which are lists of blocks, to a conversation of templates.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "serve/api/messages/messages_request.h"
#include "serve/generate/tool_history.h"

namespace fathom::serve {
namespace {

using io::JsonValue;
using tokenizer::Message;

/// Claude Code puts a block before its system text that changes with each request: with it no
/// prompt would begin as the one before it.
constexpr std::string_view kBillingBlock = "x-anthropic-billing-header";
constexpr std::string_view kParagraph = "\n\n";

std::string type_of(const JsonValue& block) {
  const JsonValue* const type = block.find("type");
  return type != nullptr && type->is_string() ? type->as_string() : "";
}

/// What stands between two blocks of text of a user or a system.
void add_paragraph(std::string_view text, std::string& all) {
  if (!all.empty() && !text.empty()) all += kParagraph;
  all += text;
}

/// Blocks that only Anthropic's servers make and read.
bool is_foreign(std::string_view type) {
  return type == "redacted_thinking" || type == "server_tool_use" || type == "mcp_tool_use" ||
         (type.ends_with("_tool_result") && type != "tool_result") || type == "container_upload";
}

class BlockReader {
 public:
  BlockReader(FieldReader& reader, Conversation& conversation)
      : reader_(reader), conversation_(conversation) {}

  void read_all() {
    if (const JsonValue* const system = reader_.find("system")) {
      add_system(read_texts(*system, "system", true));
    }
    const io::JsonArray* const messages = reader_.array("messages", kMaxMessages);
    if (messages == nullptr) {
      if (reader_.ok()) fail("missing_required_parameter", "messages", "an array of messages");
      return;
    }
    if (messages->empty()) {
      return reader_.fail_range("messages", "at least one message", *reader_.find("messages"));
    }
    for (size_t i = 0; i < messages->size() && reader_.ok(); ++i) {
      read_message((*messages)[i], fmt::format("messages[{}]", i));
    }
  }

 private:
  std::vector<Message>& messages() { return conversation_.chat.messages; }

  void fail(std::string code, const std::string& place, const std::string& expected,
            const JsonValue* found = nullptr) {
    reader_.fail(
        bad_request(std::move(code), place,
                    fmt::format("{}: expected {}, found {}", place, expected,
                                found == nullptr ? "none" : printable(io::describe(*found)))));
  }

  void read_message(const JsonValue& value, const std::string& place) {
    if (!value.is_object()) return fail("invalid_type", place, "an object", &value);
    const JsonValue* const role = value.find("role");
    const JsonValue* const content = value.find("content");
    const std::string name = role != nullptr && role->is_string() ? role->as_string() : "";
    if (content == nullptr) {
      return fail("missing_required_parameter", place + ".content", "a string or blocks");
    }
    const std::string inside = place + ".content";
    if (name == "system" || name == "developer") {
      add_system(read_texts(*content, inside, true));
    } else if (name == "user") {
      read_user(*content, inside);
    } else if (name == "assistant") {
      read_assistant(*content, inside);
    } else {
      fail("unsupported_value", place + ".role", "\"user\", \"assistant\" or \"system\"", role);
    }
  }

  void add_system(std::string text) {
    if (!text.empty()) messages().push_back({.role = "system", .content = std::move(text)});
  }

  /// A string, or blocks of text.
  std::string read_texts(const JsonValue& value, const std::string& place, bool is_system) {
    const auto is_billing = [&](std::string_view text) {
      return is_system && text.starts_with(kBillingBlock);
    };
    std::string all;
    if (value.is_string()) return is_billing(value.as_string()) ? all : value.as_string();
    if (value.is_null()) return all;
    if (!value.is_array()) {
      fail("invalid_type", place, "a string or blocks", &value);
      return all;
    }
    for (size_t i = 0; i < value.as_array().size(); ++i) {
      const JsonValue& block = value.as_array()[i];
      const std::string where = fmt::format("{}[{}]", place, i);
      if (type_of(block) != "text") {
        refuse(block, where);
        return all;
      }
      const std::string text = member(block, "text", where);
      if (!is_billing(text)) add_paragraph(text, all);
    }
    return all;
  }

  /// A text that a block must have.
  std::string member(const JsonValue& block, std::string_view name, const std::string& place) {
    const JsonValue* const value = block.find(name);
    if (value != nullptr && value->is_string()) return value->as_string();
    fail(value == nullptr ? "missing_required_parameter" : "invalid_type",
         fmt::format("{}.{}", place, name), "a string", value);
    return {};
  }

  void refuse(const JsonValue& block, const std::string& place) {
    const std::string type = type_of(block);
    if (is_foreign(type)) {
      conversation_.ignored.push_back(place);
      return;
    }
    reader_.fail(bad_request(
        "unsupported_value", place + ".type",
        fmt::format("{}.type: this model reads text; {} is not supported", place,
                    type.empty() ? "a block without a type" : "\"" + printable(type) + "\"")));
  }

  void read_user(const JsonValue& content, const std::string& place) {
    if (content.is_string()) {
      messages().push_back({.role = "user", .content = content.as_string()});
      return;
    }
    if (!content.is_array()) return fail("invalid_type", place, "a string or blocks", &content);
    // Results come first: they answer the calls before this message.
    std::string text;
    bool has_text = content.as_array().empty();
    for (size_t i = 0; i < content.as_array().size() && reader_.ok(); ++i) {
      const JsonValue& block = content.as_array()[i];
      const std::string where = fmt::format("{}[{}]", place, i);
      if (type_of(block) == "text") {
        add_paragraph(member(block, "text", where), text);
        has_text = true;
      } else if (type_of(block) == "tool_result") {
        add_result(block, where);
      } else {
        refuse(block, where);
      }
    }
    if (has_text) messages().push_back({.role = "user", .content = std::move(text)});
  }

  void add_result(const JsonValue& block, const std::string& place) {
    Message result{
        .role = "tool", .content = "", .tool_call_id = member(block, "tool_use_id", place)};
    if (const JsonValue* const content = block.find("content")) {
      result.content = read_texts(*content, place + ".content", false);
    }
    const JsonValue* const error = block.find("is_error");
    const bool failed = error != nullptr && error->is_bool() && error->as_bool();
    if (failed && result.content->empty()) result.content = "error";
    messages().push_back(std::move(result));
  }

  void read_assistant(const JsonValue& content, const std::string& place) {
    Message message{.role = "assistant", .content = ""};
    if (content.is_string()) {
      message.content = content.as_string();
    } else if (!content.is_array()) {
      return fail("invalid_type", place, "a string or blocks", &content);
    } else {
      for (size_t i = 0; i < content.as_array().size() && reader_.ok(); ++i) {
        add_block(content.as_array()[i], fmt::format("{}[{}]", place, i), message);
      }
    }
    messages().push_back(std::move(message));
  }

  void add_block(const JsonValue& block, const std::string& place, Message& message) {
    const std::string type = type_of(block);
    if (type == "text") {
      *message.content += member(block, "text", place);
    } else if (type == "thinking") {
      message.reasoning_content += member(block, "thinking", place);
    } else if (type == "tool_use") {
      const JsonValue* const input = block.find("input");
      const bool is_given = input != nullptr && !input->is_null();
      if (is_given && !input->is_object()) {
        return fail("invalid_type", place + ".input", "an object", input);
      }
      message.tool_calls.push_back({.id = member(block, "id", place),
                                    .name = member(block, "name", place),
                                    .arguments = is_given ? io::write_json(*input) : "{}"});
    } else {
      refuse(block, place);
    }
  }

  FieldReader& reader_;
  Conversation& conversation_;
};

}  // namespace

void read_messages(FieldReader& reader, Conversation& conversation) {
  BlockReader(reader, conversation).read_all();
  tokenizer::ChatRequest& chat = conversation.chat;
  order_results(chat);
  if (!chat.messages.empty() && chat.messages.back().role == "assistant") {
    // The model goes on with what it is said to have begun.
    chat.messages.back().prefix = true;
    chat.continue_final_message = true;
    chat.add_generation_prompt = false;
  }
}

}  // namespace fathom::serve
