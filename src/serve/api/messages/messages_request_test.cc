// What conversation templates get of Anthropic's blocks.
#include "serve/api/messages/messages_request.h"

#include <gtest/gtest.h>

namespace fathom::serve {
namespace {

using io::JsonValue;

/// "role: content (thought) [call f {}] <id>" of each message; the error's field, if there is one.
std::string shown(const std::string& body) {
  const JsonValue value = *io::parse_json(body, "body");
  FieldReader reader(value.as_object());
  Conversation conversation;
  read_messages(reader, conversation);
  read_messages_tools(reader, conversation);
  if (reader.error()) return "error " + reader.error()->param;
  std::string all;
  for (const tokenizer::Message& message : conversation.chat.messages) {
    all += message.role + ": " + *message.content;
    if (!message.reasoning_content.empty()) all += " (" + message.reasoning_content + ")";
    for (const tokenizer::ToolCall& call : message.tool_calls) {
      all += " [" + call.id + " " + call.name + " " + call.arguments + "]";
    }
    if (!message.tool_call_id.empty()) all += " <" + message.tool_call_id + ">";
    all += message.prefix ? " ...\n" : "\n";
  }
  for (const std::string& tool : conversation.chat.tools) all += tool + "\n";
  for (const std::string& name : conversation.ignored) all += "ignored " + name + "\n";
  return all;
}

TEST(MessagesRequest, BlocksBecomeMessages) {
  EXPECT_EQ(shown(R"({"system": "S", "messages": [{"role": "user", "content": "q"}]})"),
            "system: S\nuser: q\n");
  EXPECT_EQ(shown(R"({"messages": [
    {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
    {"role": "assistant", "content": [{"type": "thinking", "thinking": "t", "signature": "s"},
      {"type": "text", "text": "I "}, {"type": "text", "text": "look."},
      {"type": "tool_use", "id": "1", "name": "f", "input": {"x": 1}},
      {"type": "tool_use", "id": "2", "name": "g"}]},
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "2", "is_error": true},
      {"type": "tool_result", "tool_use_id": "1", "content": [{"type": "text", "text": "r"}]},
      {"type": "text", "text": "and?"}]},
    {"role": "system", "content": [{"type": "text", "text": "brief"}]},
    {"role": "assistant", "content": "The"}]})"),
            "user: a\n\nb\nassistant: I look. (t) [1 f {\"x\":1}] [2 g {}]\ntool: r <1>\n"
            "tool: error <2>\nuser: and?\nsystem: brief\nassistant: The ...\n");
}

TEST(MessagesRequest, WhatSaysNothingIsLeftOut) {
  EXPECT_EQ(shown(R"({"system": [{"type": "text", "text": "x-anthropic-billing-header: cch=1"},
    {"type": "text", "text": "S"}], "messages": [{"role": "user", "content": "q"},
    {"role": "assistant", "content": [{"type": "redacted_thinking", "data": "x"},
      {"type": "server_tool_use", "id": "1", "name": "web_search", "input": {}},
      {"type": "web_search_tool_result", "tool_use_id": "1", "content": []},
      {"type": "text", "text": "a"}]}, {"role": "user", "content": "b"}],
    "tools": [{"type": "web_search_20250305", "name": "web_search"}, {"name": "f", "input_schema": {}}]})"),
            "system: S\nuser: q\nassistant: a\nuser: b\n"
            "{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{}}}\n"
            "ignored messages[1].content[0]\nignored messages[1].content[1]\n"
            "ignored messages[1].content[2]\nignored tools[0]\n");
}

TEST(MessagesRequest, ErrorsNameThePlace) {
  EXPECT_EQ(shown(R"({"messages": [{"role": "user", "content": [{"type": "image"}]}]})"),
            "error messages[0].content[0].type");
  EXPECT_EQ(shown(R"({"messages": [{"role": "user", "content": 5}]})"),
            "error messages[0].content");
  EXPECT_EQ(shown(R"({"messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "1",
    "name": "f", "input": "x"}]}]})"),
            "error messages[0].content[0].input");
  EXPECT_EQ(shown(R"({"messages": [5]})"), "error messages[0]");
  EXPECT_EQ(shown(R"({"messages": []})"), "error messages");
  EXPECT_EQ(shown("{}"), "error messages");
}

}  // namespace
}  // namespace fathom::serve
