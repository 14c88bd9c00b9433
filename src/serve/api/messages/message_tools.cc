#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "serve/api/messages/messages_request.h"
#include "serve/generate/tool_history.h"

namespace fathom::serve {
namespace {

using io::JsonValue;
using tokenizer::ToolUse;

void read_tool(FieldReader& reader, const JsonValue& tool, const std::string& place,
               std::vector<std::string>& names, Conversation& conversation) {
  if (!tool.is_object()) return reader.fail_type(place, "an object", tool);
  FieldReader inner(tool.as_object(), place + ".");
  const JsonValue* const schema = inner.find("input_schema");
  const std::string type = inner.text("type").value_or("custom");
  if (schema == nullptr && type != "custom") {  // "web_search_20250305": it runs elsewhere
    conversation.ignored.push_back(place);
    return;
  }
  const auto name = inner.text("name");
  if (!name && inner.ok()) {
    inner.fail(bad_request("missing_required_parameter", inner.path("name"),
                           inner.path("name") + ": expected a function's name, found none"));
  }
  const auto description = inner.text("description");
  const auto strict = inner.boolean("strict");
  if (inner.error()) return reader.fail(*inner.error());
  names.push_back(*name);
  conversation.chat.tools.push_back(tool_definition(*name, description, schema, strict));
}

void read_choice(FieldReader& reader, const std::vector<std::string>& names,
                 Conversation& conversation) {
  const io::JsonObject* const choice = reader.object("tool_choice");
  if (choice == nullptr) return;
  FieldReader inner(*choice, "tool_choice.");
  ToolUse& use = conversation.chat.tool_use;
  const std::string type = inner.text("type").value_or("");
  use.parallel = !inner.boolean("disable_parallel_tool_use").value_or(false);
  if (type == "any" || type == "tool") use.choice = ToolUse::Choice::kRequired;
  if (type == "tool") {
    const std::string name = inner.text("name").value_or("");
    if (std::ranges::find(names, name) == names.end()) {
      inner.fail(bad_request("unsupported_value", "tool_choice.name",
                             fmt::format("tool_choice.name: expected the name of a tool, found {}",
                                         name.empty() ? "none" : "\"" + printable(name) + "\"")));
    }
    use.names = {name};
  } else if (type == "none") {
    conversation.chat.tools.clear();
  } else if (type != "auto" && type != "any") {
    inner.fail(bad_request("unsupported_value", "tool_choice.type",
                           "tool_choice.type: expected \"auto\", \"any\", \"tool\" or \"none\", "
                           "found " +
                               (type.empty() ? "none" : "\"" + printable(type) + "\"")));
  }
  if (use.choice == ToolUse::Choice::kRequired && conversation.chat.tools.empty()) {
    inner.fail(bad_request("unsupported_value", "tool_choice",
                           "tool_choice: a tool is to be called, but there are none"));
  }
  if (inner.error()) reader.fail(*inner.error());
}

}  // namespace

void read_messages_tools(FieldReader& reader, Conversation& conversation) {
  std::vector<std::string> names;
  if (const io::JsonArray* const tools = reader.array("tools", kMaxTools)) {
    for (size_t i = 0; i < tools->size(); ++i) {
      read_tool(reader, (*tools)[i], fmt::format("tools[{}]", i), names, conversation);
    }
  }
  read_choice(reader, names, conversation);
}

}  // namespace fathom::serve
