// What conversation templates get of the items of the Responses API.
#include "serve/api/responses/responses_request.h"

#include <gtest/gtest.h>

#include "serve/api/responses/response_output.h"

namespace fathom::serve {
namespace {

using io::JsonValue;

std::string shown(const std::string& body) {
  const JsonValue value = *io::parse_json(body, "body");
  FieldReader reader(value.as_object());
  Conversation conversation;
  read_items(reader, conversation);
  const ToolNames tools = read_response_tools(reader, conversation);
  if (reader.error()) return "error " + reader.error()->param;
  std::string all;
  for (const tokenizer::Message& message : conversation.chat.messages) {
    all += message.role + ": " + *message.content;
    if (!message.reasoning_content.empty()) all += " (" + message.reasoning_content + ")";
    for (const tokenizer::ToolCall& call : message.tool_calls) {
      all += " [" + call.id + " " + call.name + " " + call.arguments + "]";
    }
    if (!message.tool_call_id.empty()) all += " <" + message.tool_call_id + ">";
    all += "\n";
  }
  for (const auto& [flat, tool] : tools) {
    all +=
        flat + " is " + tool.name_space + "/" + tool.name + (tool.is_custom ? " custom\n" : "\n");
  }
  for (const std::string& name : conversation.ignored) all += "ignored " + name + "\n";
  return all;
}

TEST(ResponsesRequest, ItemsBecomeMessages) {
  EXPECT_EQ(shown(R"({"instructions": "S", "input": "q"})"), "system: S\nuser: q\n");
  EXPECT_EQ(shown(R"({"input": [{"role": "user", "content": "q"},
    {"type": "reasoning", "summary": [{"type": "summary_text", "text": "s"}],
     "content": [{"type": "reasoning_text", "text": "t"}]},
    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I look."}]},
    {"type": "function_call", "call_id": "1", "name": "f", "namespace": "n", "arguments": "{\"x\":1}"},
    {"type": "custom_tool_call", "call_id": "2", "name": "g", "input": "ls"},
    {"type": "custom_tool_call_output", "call_id": "2", "output": "files"},
    {"type": "function_call_output", "call_id": "1", "output": [{"type": "input_text", "text": "r"}]},
    {"type": "reasoning", "summary": [{"type": "summary_text", "text": "again"}]},
    {"type": "function_call", "call_id": "3", "name": "f", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "3", "output": "r"},
    {"role": "developer", "content": "brief"},
    {"type": "web_search_call", "id": "5"},
    {"type": "reasoning", "summary": [{"type": "summary_text", "text": "lone"}]}]})"),
            "user: q\nassistant: I look. (t) [1 n__f {\"x\":1}] [2 g {\"input\":\"ls\"}]\n"
            "tool: r <1>\ntool: files <2>\nassistant:  (again) [3 f {}]\ntool: r <3>\n"
            "system: brief\nignored input[11].web_search_call\n");
}

TEST(ResponsesRequest, ToolsHaveFlatNames) {
  EXPECT_EQ(shown(R"({"input": "q", "tools": [{"type": "function", "name": "f", "parameters": {}},
    {"type": "namespace", "name": "mcp__x", "tools": [{"type": "function", "name": "f"}]},
    {"type": "namespace", "name": "y__", "tools": [{"type": "custom", "name": "g"}]},
    {"type": "web_search"}]})"),
            "user: q\nf is /f\nmcp__x__f is mcp__x/f\ny__g is y__/g custom\n"
            "ignored tools[3].web_search\n");
  EXPECT_EQ(custom_input(R"({"input": "ls\n"})"), "ls\n");
  EXPECT_EQ(custom_input(R"({"input": "l)"), R"({"input": "l)");
}

TEST(ResponsesRequest, ErrorsNameThePlace) {
  EXPECT_EQ(shown("{}"), "error input");
  EXPECT_EQ(shown(R"({"input": []})"), "error input");
  EXPECT_EQ(shown(R"({"input": [{"role": "user"}]})"), "error input[0].content");
  EXPECT_EQ(shown(R"({"input": [{"type": "function_call"}]})"), "error input[0].name");
  EXPECT_EQ(shown(R"({"input": "q", "tools": [{"type": "function"}]})"), "error tools[0].name");
  EXPECT_EQ(shown(R"({"input": "q", "tool_choice": {"type": "file_search"}})"),
            "error tool_choice.type");
}

}  // namespace
}  // namespace fathom::serve
