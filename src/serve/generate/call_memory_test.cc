#include "serve/generate/call_memory.h"

#include <gtest/gtest.h>

namespace fathom::serve {
namespace {

using tokenizer::Answer;
using tokenizer::ChatRequest;
using tokenizer::Message;

Answer answer(std::string id, std::string arguments, std::string thought = "Hm.") {
  return {.reasoning = std::move(thought),
          .content = {},
          .tool_calls = {{std::move(id), "find", std::move(arguments)}}};
}

/// What a client's message with this call becomes.
Message restored(CallMemory& memory, const std::string& account, const Answer& sent) {
  ChatRequest chat;
  chat.messages.push_back({.role = "assistant",
                           .content = "",
                           .reasoning_content = sent.reasoning,
                           .tool_calls = sent.tool_calls,
                           .tool_call_id = {}});
  memory.restore(account, chat);
  return chat.messages[0];
}

TEST(CallMemory, WhatMeansTheSameIsPutBackAsItWasWritten) {
  CallMemory memory;
  memory.keep("alice", answer("call_1", R"({ "a": "é",  "b": 1})"));
  const auto same = restored(memory, "alice", answer("call_1", R"({"a":"\u00e9","b":1})", ""));
  EXPECT_EQ(same.tool_calls[0].arguments, R"({ "a": "é",  "b": 1})");
  EXPECT_EQ(same.reasoning_content, "Hm.");
  const auto own = restored(memory, "alice", answer("call_1", R"({"a":"é","b":1})", "Mine."));
  EXPECT_EQ(own.reasoning_content, "Mine.") << "a client may know better";
}

TEST(CallMemory, WhatMeansSomethingElseStaysAndIsKnownFromThenOn) {
  CallMemory memory;
  memory.keep("alice", answer("call_1", R"({"a": 1})"));
  const auto other = restored(memory, "alice", answer("call_1", R"({"a": 2})", ""));
  EXPECT_EQ(other.tool_calls[0].arguments, R"({"a": 2})");
  EXPECT_EQ(other.reasoning_content, "") << "another call's thought is none of its own";
  EXPECT_EQ(restored(memory, "alice", answer("call_1", R"({"a":2})", "")).tool_calls[0].arguments,
            R"({"a": 2})");
  EXPECT_EQ(restored(memory, "bob", answer("call_1", R"({"a":2})", "")).tool_calls[0].arguments,
            R"({"a":2})")
      << "other accounts know nothing of it";
  EXPECT_EQ(restored(memory, "alice", answer("", "{}", "")).reasoning_content, "");
  EXPECT_EQ(restored(memory, "alice", answer("c", R"({"a)", "")).tool_calls[0].arguments, R"({"a)");
  EXPECT_EQ(restored(memory, "alice", answer("c", "{}", "")).tool_calls[0].arguments, "{}");
}

TEST(CallMemory, WhatWasNotAskedForLongestGoesFirst) {
  const std::string arguments = "\"" + std::string(1000, 'x') + "\"";
  const std::string respelled = " " + arguments;
  CallMemory memory(3500);  // three of them
  const auto keep = [&](const char* id) { memory.keep("a", answer(id, arguments, "t")); };
  const auto is_known = [&](const char* id) {
    return restored(memory, "a", answer(id, respelled, "")).reasoning_content == "t";
  };
  keep("1");
  keep("2");
  keep("3");
  EXPECT_TRUE(is_known("1"));
  keep("4");
  for (const char* const id : {"1", "3", "4"}) EXPECT_TRUE(is_known(id)) << id;
  EXPECT_FALSE(is_known("2"));
  memory.keep("a", answer("5", std::string(9000, 'x')));
  EXPECT_FALSE(is_known("4")) << "one that is larger than all there is leaves nothing";
}

}  // namespace
}  // namespace fathom::serve
