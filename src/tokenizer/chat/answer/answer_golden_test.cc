// What published parsers read (tests/golden/chat/answers.json, made by
// tools/golden/make_answers_golden.py) is what is read here.
#include <gtest/gtest.h>

#include "io/json.h"
#include "tokenizer/chat/answer/test_answers.h"
#include "tokenizer/unicode/python_text.h"

namespace fathom::tokenizer {
namespace {

using test_answers::all_marks;

Answer read_whole(const test_answers::Asked& asked, const MarkBytes& marks,
                  const std::string& text) {
  AnswerParser parser(*find_chat_template(asked.chat_template), marks, asked.options);
  std::vector<AnswerPart> parts;
  parser.push(text, parts);
  parser.finish(false, parts);
  Answer answer;
  for (const AnswerPart& part : parts) add(part, answer);
  return answer;
}

TEST(AnswerGolden, ReadsWhatPublishedParsersRead) {
  const io::JsonValue golden =
      value_or_throw(io::read_json(FATHOM_SOURCE_DIR "/tests/golden/chat/answers.json"));
  const MarkBytes tokens(all_marks()), spelled({});
  const io::JsonArray& answers = golden.find("answers")->as_array();
  for (const io::JsonValue& expected : answers) {
    const std::string& name = expected.find("template")->as_string();
    const std::string& text = expected.find("text")->as_string();
    SCOPED_TRACE(name + ": " + text);
    const io::JsonValue* const reasoning = expected.find("reasoning");
    test_answers::Asked asked{.chat_template = name.c_str()};
    asked.options = {.in_thought = reasoning != nullptr && !reasoning->as_string().empty(),
                     .tools = {"weather", "search", "now", "write", "sum"}};
    const std::string with_tokens =
        test_answers::with_marks(test_answers::split_at_marks(text), tokens);
    // An argument's text holds a mark's beginning; a vocabulary with tokens knows it for text.
    const Answer answer = read_whole(asked, tokens, with_tokens);
    EXPECT_EQ(test_answers::read_all_ways(asked, tokens, with_tokens, 3),
              test_answers::read_all_ways(asked, spelled, text, 3));
    const std::string& content = expected.find("content")->as_string();
    if (reasoning != nullptr) {
      EXPECT_EQ(answer.content, content);
      EXPECT_EQ(answer.reasoning, reasoning->as_string());
    } else {
      EXPECT_EQ(python_strip(answer.content), python_strip(content));
    }
    const io::JsonArray& calls = expected.find("calls")->as_array();
    ASSERT_EQ(answer.tool_calls.size(), calls.size());
    EXPECT_EQ(answer.complete_calls, std::ssize(calls));
    for (size_t i = 0; i < calls.size(); ++i) {
      EXPECT_EQ(answer.tool_calls[i].name, calls[i].as_array()[0].as_string());
      const auto arguments = io::parse_json(answer.tool_calls[i].arguments, "arguments");
      ASSERT_TRUE(arguments) << answer.tool_calls[i].arguments;
      EXPECT_EQ(io::write_json(*arguments), io::write_json(calls[i].as_array()[1]));
    }
  }
  EXPECT_GT(answers.size(), 200);
}

}  // namespace
}  // namespace fathom::tokenizer
