#include "serve/generate/tool_history.h"

#include <gtest/gtest.h>

namespace fathom::serve {
namespace {

using tokenizer::Message;

std::string contents(const tokenizer::ChatRequest& chat) {
  std::string all;
  for (const Message& message : chat.messages) all += *message.content + " ";
  return all;
}

Message calling(std::vector<std::string> ids) {
  Message message{.role = "assistant", .content = "calls"};
  for (std::string& id : ids) message.tool_calls.push_back({std::move(id), "f", "{}"});
  return message;
}
Message result(std::string id, std::string text) {
  return {.role = "tool", .content = std::move(text), .tool_call_id = std::move(id)};
}

TEST(OrderResults, IsThatOfTheCallsBeforeThem) {
  tokenizer::ChatRequest chat{.messages = {calling({"a", "b", "c"}),
                                           result("c", "3"),
                                           result("a", "1"),
                                           result("b", "2"),
                                           {.role = "user", .content = "q"},
                                           calling({"b", "a"}),
                                           result("a", "2"),
                                           result("b", "1")}};
  order_results(chat);
  EXPECT_EQ(contents(chat), "calls 1 2 3 q calls 1 2 ");
}

TEST(OrderResults, WhatAnswersNoCallComesLast) {
  tokenizer::ChatRequest chat{.messages = {calling({"a", "b"}), result("x", "4"), result("", "5"),
                                           result("b", "2"), result("a", "1"), result("a", "3")}};
  order_results(chat);
  EXPECT_EQ(contents(chat), "calls 1 3 2 4 5 ");
  tokenizer::ChatRequest none{.messages = {result("a", "1")}};
  order_results(none);
  EXPECT_EQ(contents(none), "1 ");
}

TEST(ToolDefinition, HasOnlyWhatIsGiven) {
  const io::JsonValue schema = *io::parse_json(R"({"type": "object"})", "schema");
  EXPECT_EQ(tool_definition("f", std::nullopt, nullptr, std::nullopt),
            R"({"type":"function","function":{"name":"f"}})");
  EXPECT_EQ(tool_definition("f", "d", &schema, true),
            R"({"type":"function","function":{"name":"f","description":"d",)"
            R"("parameters":{"type":"object"},"strict":true}})");
}

}  // namespace
}  // namespace fathom::serve
