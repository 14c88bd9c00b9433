// A client's JSON: what is honoured, what is refused, and by which words.
#include "tokenizer/chat/parse.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "tokenizer/chat/template.h"

namespace fathom::tokenizer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Result<ParsedChatRequest> parsed(std::string_view text) { return parse_chat_request(text, "m"); }
ChatRequest request_of(std::string_view text) { return value_or_throw(parsed(text)).request; }
std::string error_of(std::string_view text) {
  const auto request = parsed(text);
  return request ? "no error" : request.error().message();
}
/// A request with one message of a user and the members given.
std::string with(std::string_view members) {
  return R"({"messages":[{"role":"user","content":"q"}],)" + std::string(members) + "}";
}
/// What `name` renders of a request, or why not.
std::string prompt(std::string_view name, std::string_view text) {
  const auto request = parsed(text);
  if (!request) return request.error().message();
  const auto segments = render_chat(*find_chat_template(name), request->request);
  return segments ? chat_text(*segments) : segments.error().message();
}

TEST(ParseChatRequest, ContentIsTextOrTextParts) {
  EXPECT_EQ(request_of(R"([{"role":"user","content":"hi"}])").messages[0].content, "hi");
  EXPECT_EQ(request_of(R"([{"role":"user","content":[{"type":"text","text":"a"},
                                                     {"type":"text","text":"b\n"},
                                                     {"type":"text","text":""}]}])")
                .messages[0]
                .content,
            "ab\n");
  EXPECT_EQ(request_of(R"([{"role":"user","content":[]}])").messages[0].content, "");
  EXPECT_EQ(request_of(R"([{"role":"tool","content":null}])").messages[0].content, std::nullopt);
  EXPECT_EQ(error_of(R"([{"role":"user","content":[{"type":"image_url","image_url":{}}]}])"),
            "m: messages[0].content[0].type: only \"text\" parts are supported, found a string "
            "\"image_url\"");
  EXPECT_EQ(error_of(R"([{"role":"user","content":["a"]}])"),
            "m: messages[0].content[0]: expected an object with \"type\", found a string \"a\"");
  EXPECT_EQ(error_of(R"([{"role":"user","content":[{"type":"text"}]}])"),
            "m: messages[0].content[0]: text: missing, expected a string");
  EXPECT_EQ(
      error_of(R"([{"role":"user","content":7}])"),
      "m: messages[0].content: expected a string or a list of text parts, found the number 7");
  EXPECT_EQ(error_of("[5]"), "m: messages[0]: expected an object, found the number 5");
}

TEST(ParseChatRequest, AMessageToContinueEndsThePrompt) {
  constexpr std::string_view kExpected =
      "<｜begin▁of▁sentence｜><｜User｜>q<｜Assistant｜>```python\n";
  const std::string messages =
      R"({"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"```python\n")";
  for (const std::string_view rest :
       {R"(,"prefix":true}]})", R"(,"partial":true}]})", R"(}],"continue_final_message":true})",
        R"(}],"continue_final_message":true,"add_generation_prompt":false})"}) {
    for (const std::string_view name : {"deepseek-v3", "deepseek-v3-0324", "deepseek-r1"}) {
      EXPECT_EQ(prompt(name, messages + std::string(rest)), kExpected) << name << rest;
    }
  }
  const std::string prefix = messages + R"(,"prefix":true}])";
  EXPECT_EQ(prompt("deepseek-v2", prefix + "}"),
            "<｜begin▁of▁sentence｜>User: q\n\nAssistant: ```python\n");
  EXPECT_EQ(prompt("smollm2", prefix + "}"),
            "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging "
            "Face<|im_end|>\n<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n```python\n");
  // V3.1's template opens the thought of a prefix when thinking is on.
  EXPECT_EQ(prompt("deepseek-v3.1", prefix + R"(,"thinking":true})"),
            "<｜begin▁of▁sentence｜><｜User｜>q<｜Assistant｜><think>```python\n");
  EXPECT_EQ(prompt("deepseek-v3.1", prefix + "}"),
            "<｜begin▁of▁sentence｜><｜User｜>q<｜Assistant｜></think>```python\n");
}

TEST(ParseChatRequest, AContinuationThatCannotBeIsRefused) {
  EXPECT_EQ(
      error_of(R"([{"role":"assistant","content":"a","prefix":true},
                         {"role":"user","content":"b"}])"),
      "m: messages[0].prefix: only the last message can be a prefix of what the model writes");
  EXPECT_EQ(error_of(with(R"("continue_final_message":true,"add_generation_prompt":true)")),
            "m: add_generation_prompt is true, but the last message is to be continued: expected "
            "one of the two");
  EXPECT_EQ(prompt("deepseek-v3", with(R"("continue_final_message":true)")),
            "messages[0]: expected an assistant's message without tool_calls, as it is to be "
            "continued, found one of role \"user\"");
  EXPECT_EQ(error_of(R"({"messages":[{"role":"assistant","content":"a","prefix":true}],
                         "continue_final_message":false})"),
            "m: continue_final_message is false, but the last message is a prefix");
  const std::string thought = R"([{"role":"assistant","prefix":true,"content":"t</think>a")";
  EXPECT_EQ(prompt("deepseek-r1", thought + "}]"),
            "messages[0].content: the chat template deepseek-r1 (of DeepSeek-R1) leaves a part of "
            "it out, so it cannot be continued");
  EXPECT_EQ(prompt("deepseek-v3", thought + R"(,"reasoning_content":"t"}])"),
            "messages[0].reasoning_content: the chat template deepseek-v3 (of DeepSeek-V3 of "
            "December 2024) has no thoughts to go on with");
}

TEST(ParseChatRequest, AThoughtIsContinuedWhereTheModelWasThinking) {
  constexpr std::string_view kBegin = "<｜begin▁of▁sentence｜><｜User｜>q<｜Assistant｜>";
  const auto going_on = [](std::string_view rest) {
    return R"({"messages":[{"role":"user","content":"q"},{"role":"assistant","prefix":true,)" +
           std::string(rest);
  };
  const std::string thought = going_on(R"("reasoning_content":"Let me"}])");
  const std::string answer = going_on(R"("reasoning_content":"Let me","content":"So"}])");
  const std::map<std::string_view, std::string_view> openings = {
      {"deepseek-v3.1", "<think>"},        {"deepseek-v3.2-exp", "<think>"},
      {"deepseek-v3.2", "<think>"},        {"deepseek-r1", "<think>\n"},
      {"deepseek-r1-0528", "<think>\n"},   {"deepseek-r1-plain", "<think>\n"},
      {"deepseek-r1-distill", "<think>\n"}};
  for (const auto& [name, opening] : openings) {
    const std::string begin = std::string(kBegin) + std::string(opening) + "Let me";
    EXPECT_EQ(prompt(name, thought + "}"), begin) << name;
    EXPECT_EQ(prompt(name, answer + "}"), begin + "</think>So") << name;
  }
  EXPECT_EQ(prompt("qwen3", going_on(R"("reasoning":"Let me","content":null}]})")),
            "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n<think>\nLet me");
  EXPECT_EQ(prompt("deepseek-v3.1", thought + R"(,"thinking":false})"),
            "messages[1].reasoning_content: the chat template deepseek-v3.1 (of DeepSeek-V3.1) "
            "opens no thought here that the model could go on with");
  EXPECT_EQ(prompt("deepseek-v3.1", answer + R"(,"thinking":false})"),
            std::string(kBegin) + "</think>So");
  EXPECT_EQ(prompt("deepseek-v3.1", going_on(R"("content":null}]})")),
            "messages[1].content: expected a string, found none");
  EXPECT_EQ(prompt("deepseek-v3.1",
                   R"([{"role":"assistant","reasoning_content":"Let me","prefix":true}])"),
            "messages[0].reasoning_content: expected a message before the thought to go on with");
}

TEST(ParseChatRequest, TheGenerationPromptCanBeLeftOut) {
  EXPECT_EQ(prompt("deepseek-v3", with(R"("add_generation_prompt":false)")),
            "<｜begin▁of▁sentence｜><｜User｜>q");
  EXPECT_EQ(
      prompt("deepseek-v3", with(R"("chat_template_kwargs":{"add_generation_prompt":false})")),
      "<｜begin▁of▁sentence｜><｜User｜>q");
  EXPECT_EQ(prompt("deepseek-v3.2", with(R"("add_generation_prompt":false)")),
            "add_generation_prompt: the chat template deepseek-v3.2 (of DeepSeek-V3.2) has no "
            "prompt without the model's turn");
}

TEST(ParseChatRequest, ThinkingUnderEachOfItsNames) {
  for (const std::string_view on :
       {R"("thinking":true)", R"("enable_thinking":true)", R"("thinking":{"type":"enabled"})",
        R"("chat_template_kwargs":{"thinking":true})",
        R"("chat_template_kwargs":{"enable_thinking":true})"}) {
    EXPECT_EQ(request_of(with(on)).thinking, Thinking::kOn) << on;
  }
  EXPECT_EQ(request_of(with(R"("thinking":{"type":"disabled"})")).thinking, Thinking::kOff);
  EXPECT_EQ(request_of(with(R"("thinking":null)")).thinking, Thinking::kDefault);
  EXPECT_EQ(error_of(with(R"("thinking":true,"enable_thinking":false)")),
            "m: enable_thinking: contradicts what the request says of thinking elsewhere");
  EXPECT_EQ(error_of(with(R"("thinking":{"type":"enabled","budget_tokens":9})")),
            "m: thinking: expected true, false or {\"type\": \"enabled\"}, found an object");
}

TEST(ParseChatRequest, EveryKeyIsHonouredHarmlessOrRefused) {
  const auto harmless = value_or_throw(parsed(with(
      R"("model":"x","stream":true,"documents":[],"tool_choice":"auto","temperature":0.5,
         "max_tokens":9,"n":1,"logprobs":false,"response_format":{"type":"text"},"parallel_tool_calls":true,"x":null)")));
  EXPECT_THAT(harmless.sampling_keys, ElementsAre("temperature", "max_tokens"));
  EXPECT_EQ(error_of(with(R"("documents":[{"text":"d"}])")),
            "m: documents: not a key that has a meaning here");
  EXPECT_EQ(error_of(with(R"("enable_thinkin":true)")),
            "m: enable_thinkin: not a key that has a meaning here (\"enable_thinking\"?)");
  EXPECT_EQ(error_of(with(R"("chat_template_kwargs":{"builtin_tools":["x"]})")),
            "m: chat_template_kwargs.builtin_tools: not a key that has a meaning here");
  EXPECT_EQ(prompt("deepseek-v3", with(R"("chat_template_kwargs":{"date_string":"1 Jan"})")),
            "date_string: the chat template deepseek-v3 (of DeepSeek-V3 of December 2024) has no "
            "date");
  EXPECT_EQ(error_of(with(R"("response_format":{"type":"json_object"})")),
            "m: response_format: only {\"type\": \"text\"} is supported");
  EXPECT_EQ(error_of(R"([{"role":"user","content":"q","weight":1}])"),
            "m: messages[0].weight: not a key that has a meaning here");
  EXPECT_EQ(error_of(R"([{"role":"assistant","content":null,"refusal":"no"}])"),
            "m: messages[0].refusal: not a key that has a meaning here");
}

TEST(ParseChatRequest, NoToolsAreOfferedIfNoneShallBeCalled) {
  const std::string tools = R"("tools":[{"type":"function","function":{"name":"f"}}])";
  EXPECT_EQ(request_of(with(tools)).tools.size(), 1u);
  EXPECT_TRUE(request_of(with(tools + R"(,"tool_choice":"none")")).tools.empty());
}

TEST(ParseChatRequest, HowToolsAreToBeCalled) {
  const std::string tools = R"("tools":[{"type":"function","function":{"name":"f"}},
                                        {"type":"function","function":{"name":"g"}}],)";
  const auto use_of = [&](const std::string& keys) {
    return request_of(with(tools + keys)).tool_use;
  };
  const ToolUse free = use_of(R"("tool_choice":"auto")");
  EXPECT_TRUE(free.choice == ToolUse::Choice::kAuto && free.names.empty() && free.parallel);
  const ToolUse required = use_of(R"("tool_choice":"required","parallel_tool_calls":false)");
  EXPECT_TRUE(required.choice == ToolUse::Choice::kRequired && !required.parallel);
  // A named one is called once, whatever else is said.
  const ToolUse named = use_of(
      R"("tool_choice":{"type":"function","function":{"name":"g"}},"parallel_tool_calls":true)");
  EXPECT_TRUE(named.choice == ToolUse::Choice::kRequired && !named.parallel);
  EXPECT_THAT(named.names, ElementsAre("g"));
  const ToolUse allowed = use_of(R"("tool_choice":{"type":"allowed_tools","allowed_tools":
      {"mode":"auto","tools":[{"type":"function","function":{"name":"f"}}]}})");
  EXPECT_TRUE(allowed.choice == ToolUse::Choice::kAuto && allowed.parallel);
  EXPECT_THAT(allowed.names, ElementsAre("f"));

  EXPECT_EQ(error_of(with(R"("tool_choice":"required")")),
            "m: tool_choice: a tool is to be called, but there are none");
  EXPECT_EQ(error_of(with(tools + R"("tool_choice":{"type":"function","function":{"name":"h"}})")),
            "m: tool_choice: no tool has the name \"h\"");
  EXPECT_THAT(error_of(with(tools + R"("tool_choice":"any")")),
              HasSubstr("m: tool_choice: expected \"auto\""));
  EXPECT_THAT(error_of(with(tools + R"("tool_choice":{"type":"function"})")),
              HasSubstr("tool_choice.function.name"));
  EXPECT_THAT(
      error_of(with(
          tools +
          R"("tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[]}})")),
      HasSubstr("tool_choice.allowed_tools: expected"));
  EXPECT_THAT(error_of(with(tools + R"("parallel_tool_calls":"no")")),
              HasSubstr("parallel_tool_calls: expected true or false"));
}

TEST(ParseChatRequest, ToolCallsTakeArgumentsAsTextOrObject) {
  const auto call = [](std::string_view arguments) {
    return R"([{"role":"user","content":"q"},{"role":"assistant","tool_calls":[{"id":"c",
               "type":"function","function":{"name":"f","arguments":)" +
           std::string(arguments) + "}}]}]";
  };
  const auto arguments_of = [&](std::string_view arguments) {
    return request_of(call(arguments)).messages[1].tool_calls[0].arguments;
  };
  EXPECT_EQ(arguments_of(R"("{\"a\":1}")"), R"({"a":1})");
  EXPECT_EQ(arguments_of(R"({"a":[1,"b"]})"), R"({"a": [1, "b"]})");
  EXPECT_EQ(
      error_of(call("[1]")),
      "m: messages[1].tool_calls[0].function: arguments: expected a string, found an array of 1");
}

TEST(ParseChatRequest, NamesAreRefusedWhereTheTemplateHasNone) {
  EXPECT_EQ(prompt("deepseek-v3", R"([{"role":"user","content":"q","name":"Ann"}])"),
            "messages[0].name: the chat template deepseek-v3 (of DeepSeek-V3 of December 2024) has "
            "no names");
  const auto answered = [](std::string_view name) {
    return R"([{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"{}"}}]},
               {"role":"tool","content":"1","name":")" +
           std::string(name) + R"("}])";
  };
  EXPECT_NE(prompt("deepseek-v3", answered("f")).find('1'), std::string::npos);
  EXPECT_EQ(prompt("deepseek-v3", answered("g")),
            "messages[1].name: \"g\" is the function of no call before it");
}

TEST(ParseChatRequest, ThoughtsUnderEachOfTheirNames) {
  EXPECT_EQ(request_of(R"([{"role":"assistant","content":"a","reasoning":"t"}])")
                .messages[0]
                .reasoning_content,
            "t");
  EXPECT_EQ(error_of(R"([{"role":"assistant","reasoning":"t","reasoning_content":"u"}])"),
            "m: messages[0].reasoning_content: another text than the message's thoughts under "
            "another key");
}

}  // namespace
}  // namespace fathom::tokenizer
