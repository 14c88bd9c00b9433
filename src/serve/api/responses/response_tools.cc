#include "serve/api/responses/response_tools.h"

#include <fmt/format.h>

#include "base/text.h"
#include "serve/generate/tool_history.h"

namespace fathom::serve {
namespace {

using io::JsonValue;
using tokenizer::ToolUse;

/// A custom tool takes any text.
constexpr const char* kTextArgument =
    R"({"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"], )"
    R"("additionalProperties": false})";

class ToolReader {
 public:
  ToolReader(FieldReader& reader, Conversation& conversation)
      : reader_(reader), conversation_(conversation) {}

  ToolNames read() {
    if (const io::JsonArray* const tools = reader_.array("tools", kMaxTools)) {
      read_list(*tools, "tools", {});
    }
    read_choice();
    return std::move(names_);
  }

 private:
  void read_list(const io::JsonArray& tools, const std::string& place,
                 const std::string& name_space) {
    for (size_t i = 0; i < tools.size() && reader_.ok(); ++i) {
      read_tool(tools[i], fmt::format("{}[{}]", place, i), name_space);
    }
  }

  void read_tool(const JsonValue& value, const std::string& place, const std::string& name_space) {
    if (!value.is_object()) return reader_.fail_type(place, "an object", value);
    FieldReader inner(value.as_object(), place + ".");
    const std::string type = inner.text("type").value_or("function");
    if (type == "function" || type == "custom") {
      add_function(
          inner, {.name = name_of(inner), .name_space = name_space, .is_custom = type == "custom"});
    } else if (type == "namespace") {
      const io::JsonArray* const tools = inner.array("tools", kMaxTools);
      const std::string name = name_of(inner);
      if (tools != nullptr && inner.ok()) read_list(*tools, place + ".tools", name);
    } else {
      conversation_.ignored.push_back(place + "." + printable(type.substr(0, 64)));
    }
    if (inner.error()) reader_.fail(*inner.error());
  }

  static std::string name_of(FieldReader& inner) {
    const std::string name = inner.text("name").value_or("");
    if (name.empty()) {
      inner.fail(bad_request("missing_required_parameter", inner.path("name"),
                             inner.path("name") + ": expected a name, found none"));
    }
    return name;
  }

  void add_function(FieldReader& inner, ToolName tool) {
    const auto description = inner.text("description");
    const auto strict = inner.boolean("strict");
    if (inner.find("format") != nullptr) conversation_.ignored.push_back(inner.path("format"));
    if (!inner.ok()) return;
    const std::string name = flat_name(tool);
    if (names_.contains(name)) {
      return inner.fail(bad_request("invalid_value", inner.path("name"),
                                    fmt::format("{}: there is another tool of the name \"{}\"",
                                                inner.path("name"), printable(name))));
    }
    const JsonValue text = *io::parse_json(kTextArgument, "custom tool");
    const JsonValue* const parameters = tool.is_custom ? &text : inner.find("parameters");
    conversation_.chat.tools.push_back(tool_definition(name, description, parameters, strict));
    names_.emplace(name, std::move(tool));
  }

  void read_choice() {
    const JsonValue* const choice = reader_.find("tool_choice");
    ToolUse& use = conversation_.chat.tool_use;
    use.parallel = reader_.boolean("parallel_tool_calls").value_or(true);
    if (choice == nullptr) return;
    if (choice->is_string()) {
      read_mode(choice->as_string(), "tool_choice");
    } else if (const io::JsonObject* const object = reader_.object("tool_choice")) {
      FieldReader inner(*object, "tool_choice.");
      read_chosen(inner);
      if (inner.error()) reader_.fail(*inner.error());
    }
    if (use.choice == ToolUse::Choice::kRequired && conversation_.chat.tools.empty()) {
      reader_.fail(bad_request("unsupported_value", "tool_choice",
                               "tool_choice: a tool is to be called, but there are none"));
    }
  }

  void read_mode(const std::string& mode, const std::string& place) {
    if (mode == "none") {
      conversation_.chat.tools.clear();
    } else if (mode == "required") {
      conversation_.chat.tool_use.choice = ToolUse::Choice::kRequired;
    } else if (mode != "auto") {
      reader_.fail(bad_request(
          "unsupported_value", place,
          fmt::format("{}: expected \"auto\", \"none\", \"required\", a function or allowed_tools, "
                      "found \"{}\"",
                      place, printable(mode.substr(0, 64)))));
    }
  }

  /// {"type": "function", "name"}, the same of a custom tool, or allowed_tools.
  void read_chosen(FieldReader& inner) {
    const std::string type = inner.text("type").value_or("");
    if (type == "function" || type == "custom") {
      conversation_.chat.tool_use.choice = ToolUse::Choice::kRequired;
      add_allowed(inner);
    } else if (type == "allowed_tools") {
      read_mode(inner.text("mode").value_or("auto"), inner.path("mode"));
      const io::JsonArray* const tools = inner.array("tools", kMaxTools);
      for (size_t i = 0; tools != nullptr && i < tools->size() && inner.ok(); ++i) {
        if (!(*tools)[i].is_object()) return inner.fail_type("tools", "objects", (*tools)[i]);
        FieldReader tool((*tools)[i].as_object(), fmt::format("tool_choice.tools[{}].", i));
        add_allowed(tool);
        if (tool.error()) inner.fail(*tool.error());
      }
    } else {
      inner.fail(bad_request(
          "unsupported_value", inner.path("type"),
          inner.path("type") + ": expected \"function\", \"custom\" or \"allowed_tools\", found " +
              (type.empty() ? "none" : "\"" + printable(type) + "\"")));
    }
  }

  void add_allowed(FieldReader& tool) {
    const std::string name = tool.text("name").value_or("");
    const std::string name_space = tool.text("namespace").value_or("");
    for (const auto& [flat, known] : names_) {
      if (known.name != name || (!name_space.empty() && known.name_space != name_space)) continue;
      conversation_.chat.tool_use.names.push_back(flat);
      return;
    }
    tool.fail(
        bad_request("unsupported_value", tool.path("name"),
                    fmt::format("{}: expected the name of a tool, found {}", tool.path("name"),
                                name.empty() ? "none" : "\"" + printable(name) + "\"")));
  }

  FieldReader& reader_;
  Conversation& conversation_;
  ToolNames names_;
};

}  // namespace

std::string flat_name(const ToolName& tool) {
  if (tool.name_space.empty()) return tool.name;
  return tool.name_space + (tool.name_space.ends_with('_') ? "" : "__") + tool.name;
}

ToolName client_name(const ToolNames& tools, const std::string& flat) {
  const auto found = tools.find(flat);
  return found == tools.end() ? ToolName{.name = flat} : found->second;
}

ToolNames read_response_tools(FieldReader& reader, Conversation& conversation) {
  return ToolReader(reader, conversation).read();
}

}  // namespace fathom::serve
