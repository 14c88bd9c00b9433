// Calls as the chat templates render them, which are proven against the published templates, are
// what the grammars take.
#include "grammar/tools/tool_grammar.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "grammar/compile.h"
#include "grammar/match/control_token.h"

namespace fathom::grammar {
namespace {

using tokenizer::Message;
using tokenizer::ToolCall;

constexpr const char* kWeather =
    R"({"type": "object", "properties": {"city": {"type": "string", "minLength": 2},
  "days": {"type": "integer", "minimum": 1}, "unit": {"enum": ["c", "f"]}, "where": {"type": ["string", "array"],
  "items": {"type": "number"}}}, "required": ["city", "days"], "additionalProperties": false})";

std::string flat(const std::vector<tokenizer::Segment>& segments, bool as_tokens) {
  std::string text;
  for (const tokenizer::Segment& segment : segments) {
    const bool token = as_tokens && segment.kind == tokenizer::SegmentKind::kToken;
    text += token ? control_token(segment.text) : segment.text;
  }
  return text;
}

/// What a model of this template writes to make the calls.
std::string rendered(const char* name, const std::vector<ToolCall>& calls, bool as_tokens = true) {
  const tokenizer::ChatTemplate& chat_template = *tokenizer::find_chat_template(name);
  tokenizer::ChatRequest request{.messages = {{.role = "user", .content = "q"}}};
  if (chat_template.thinking == tokenizer::ThinkingSupport::kDefaultOn) {
    request.thinking = tokenizer::Thinking::kOff;
  }
  const std::string prompt = flat(value_or_throw(render_chat(chat_template, request)), as_tokens);
  request.messages.push_back({.role = "assistant", .tool_calls = calls});
  request.add_generation_prompt = false;
  std::string all = flat(value_or_throw(render_chat(chat_template, request)), as_tokens);
  const auto begin = std::ranges::mismatch(prompt, all).in2 - all.begin();
  const std::string end =
      as_tokens ? control_token(chat_template.end_of_turn) : std::string(chat_template.end_of_turn);
  return all.substr(static_cast<size_t>(begin), all.rfind(end) - static_cast<size_t>(begin));
}

std::set<std::string> all_tokens() {
  using namespace tokenizer;  // NOLINT(google-build-using-namespace): the marks
  std::set<std::string> tokens;
  for (const auto format :
       {ToolFormat::kPlain, ToolFormat::kDsml, ToolFormat::kChatMl, ToolFormat::kKimi}) {
    for (const auto mark : tool_marks(format)) tokens.emplace(mark);
  }
  return tokens;
}

GrammarSpec spec(const char* name, ToolSpec::Choice choice = ToolSpec::Choice::kAuto) {
  GrammarSpec spec;
  spec.tools =
      ToolSpec{.format = *tokenizer::tool_format(tokenizer::find_chat_template(name)->dialect),
               .tools = {{.name = "weather", .parameters = kWeather}, {.name = "time"}},
               .choice = choice,
               .tokens = all_tokens()};
  return spec;
}

bool accepts(const GrammarSpec& spec, std::string_view text) {
  static const auto vocabulary = std::make_shared<const Vocabulary>(std::vector<std::string>{"a"});
  const auto compiled = value_or_throw(compile(spec));
  TokenMasks& masks = *compiled.grammar->masks(vocabulary);
  const auto state = masks.next(masks.start(), text);
  return state != Automaton::kDead && masks.accepting(state);
}

ToolCall weather(std::string arguments) {
  return {.name = "weather", .arguments = std::move(arguments)};
}

class ToolGrammarTest : public ::testing::TestWithParam<const char*> {};

TEST_P(ToolGrammarTest, TakesCallsAsTheTemplateWritesThem) {
  const ToolCall paris = weather(R"({"city": "Paris", "days": 2, "unit": "c"})");
  const ToolCall oslo = weather(R"({"city": "Oslo \"1\"", "days": 11, "where": [1.5, 2]})");
  const ToolCall now{.name = "time", .arguments = R"({"zone": "x", "deep": {"a": [null, true]}})"};
  const ToolCall empty{.name = "time", .arguments = "{}"};
  for (const std::vector<ToolCall>& calls :
       {std::vector{paris}, {now}, {empty}, {paris, oslo}, {now, paris, empty}}) {
    const std::string text = rendered(GetParam(), calls);
    for (const auto choice : {ToolSpec::Choice::kAuto, ToolSpec::Choice::kRequired}) {
      EXPECT_TRUE(accepts(spec(GetParam(), choice), text)) << text;
    }
    GrammarSpec one = spec(GetParam());
    one.tools->parallel = false;
    EXPECT_EQ(accepts(one, text), calls.size() == 1) << text;
    // A vocabulary without the marks spells them.
    GrammarSpec spelled = spec(GetParam());
    spelled.tools->tokens.clear();
    EXPECT_TRUE(accepts(spelled, rendered(GetParam(), calls, false))) << text;
  }
}

TEST_P(ToolGrammarTest, RefusesEveryOtherCall) {
  for (const ToolCall& wrong :
       {weather(R"({"city": "Paris"})"), weather(R"({"city": "Paris", "days": 0})"),
        weather(R"({"city": "P", "days": 1})"),
        weather(R"({"city": "Paris", "days": 1, "unit": "k"})"),
        weather(R"({"city": "Paris", "days": 1, "more": 1})"), weather(R"({"city": 5, "days": 1})"),
        weather(R"({"city": "Paris", "days": 1, "where": ["x"]})"),
        ToolCall{.name = "wether", .arguments = "{}"},
        ToolCall{.name = "tim", .arguments = "{}"}}) {
    const std::string text = rendered(GetParam(), {wrong});
    EXPECT_FALSE(accepts(spec(GetParam()), text)) << text;
  }
  const std::string call = rendered(GetParam(), {weather(R"({"city": "Paris", "days": 2})")});
  for (size_t cut = 1; cut < call.size(); cut += 7) {
    EXPECT_FALSE(accepts(spec(GetParam(), ToolSpec::Choice::kRequired), call.substr(0, cut)));
  }
  EXPECT_FALSE(accepts(spec(GetParam()), call + "more"));
}

TEST_P(ToolGrammarTest, WhoChooses) {
  const std::string call = rendered(GetParam(), {weather(R"({"city": "Paris", "days": 2})")});
  EXPECT_TRUE(accepts(spec(GetParam()), "Just text, <b>tool</b> and all."));
  EXPECT_TRUE(accepts(spec(GetParam()), "Let me see. " + call));
  const GrammarSpec required = spec(GetParam(), ToolSpec::Choice::kRequired);
  EXPECT_FALSE(accepts(required, "Just text.") || accepts(required, "Text " + call) ||
               accepts(required, ""));

  GrammarSpec both = spec(GetParam());
  both.kind = GrammarSpec::Kind::kJsonSchema;
  both.text = R"({"type": "integer"})";
  EXPECT_TRUE(accepts(both, call) && accepts(both, "17"));
  EXPECT_FALSE(accepts(both, "17" + call) || accepts(both, "text") ||
               accepts(both, "Text " + call));

  GrammarSpec none = spec(GetParam());
  none.tools->tools.clear();
  EXPECT_TRUE(accepts(none, "Just text."));
  EXPECT_FALSE(accepts(none, call));
}

TEST_P(ToolGrammarTest, SchemasAreEnforcedUnlessToldNotTo) {
  const auto with = [](std::string parameters, std::optional<bool> strict) {
    GrammarSpec made = spec(GetParam());
    made.tools->tools = {{.name = "f", .parameters = std::move(parameters), .strict = strict}};
    return made;
  };
  const std::string good = rendered(GetParam(), {{.name = "f", .arguments = R"({"a": 1})"}});
  const std::string other =
      rendered(GetParam(), {{.name = "f", .arguments = R"({"a": "x", "b": 2})"}});
  const std::string schema = R"({"properties": {"a": {"type": "integer"}}})";
  EXPECT_TRUE(accepts(with(schema, std::nullopt), good));
  EXPECT_FALSE(accepts(with(schema, std::nullopt), other));
  EXPECT_TRUE(accepts(with(schema, false), other));
  EXPECT_FALSE(accepts(with(schema, true), other));
  // Arguments are objects; a schema of something else is wrong, not passed over.
  for (const char* wrong : {R"({"type": "objekt"})", R"({"type": "string"})",
                            R"({"type": ["string", "null"]})", R"({"type": 5})"}) {
    const auto compiled = compile(with(wrong, true));
    ASSERT_FALSE(compiled) << wrong;
    EXPECT_THAT(compiled.error().message(), ::testing::HasSubstr("type: expected \"object\""))
        << wrong;
    const auto reported = compile(with(wrong, std::nullopt));
    ASSERT_TRUE(reported);
    EXPECT_EQ(reported->findings.back().keyword, "parameters") << wrong;
  }
  EXPECT_TRUE(accepts(with(R"({"type": ["object", "null"]})", true),
                      rendered(GetParam(), {{.name = "f", .arguments = "{}"}})));
  // One that does not compile: any object, unless it is strict.
  const std::string broken = R"({"properties": {"a": {"type": "integr"}}})";
  EXPECT_TRUE(accepts(with(broken, std::nullopt), other));
  const auto refused = compile(with(broken, true));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), ::testing::HasSubstr("the parameters of \"f\""));
}

TEST_P(ToolGrammarTest, OptionalArgumentsReferencesAndWhatIsNoObject) {
  GrammarSpec made = spec(GetParam());
  made.tools->tools = {
      {.name = "f", .parameters = R"({"$defs": {"n": {"type": "integer", "maximum": 5}},
    "definitions": {"s": {"enum": ["x", "y"]}}, "properties": {"a": {"$ref": "#/$defs/n"},
    "b": {"$ref": "#/definitions/s"}, "c": {"type": "boolean"}}, "required": ["b"], "additionalProperties": false})"}};
  const auto takes = [&](std::string arguments) {
    return accepts(made, rendered(GetParam(), {{.name = "f", .arguments = std::move(arguments)}}));
  };
  for (const char* good : {R"({"a": 5, "b": "x", "c": true})", R"({"b": "y"})",
                           R"({"b": "x", "c": false})", R"({"a": 1, "b": "x"})"}) {
    EXPECT_TRUE(takes(good)) << good;
  }
  for (const char* bad : {R"({"a": 6, "b": "x"})", R"({"b": "z"})", R"({"a": 1})", "{}"}) {
    EXPECT_FALSE(takes(bad)) << bad;
  }
  if (made.tools->format == ToolFormat::kDsml) return;  // has no place for anything but an object
  std::string number = rendered(GetParam(), {{.name = "f", .arguments = R"({"b": "x"})"}});
  made.tools->tools[0].parameters = R"({"description": "anything"})";
  EXPECT_TRUE(accepts(made, number));
  number.replace(number.find(R"({"b": "x"})"), 10, "5");
  EXPECT_FALSE(accepts(made, number));
}

// A vocabulary without the marks: whatever looks like one begins a call.
TEST_P(ToolGrammarTest, FreeTextDoesNotSpellAMark) {
  GrammarSpec spelled = spec(GetParam());
  spelled.tools->tokens.clear();
  const std::string call = rendered(GetParam(), {{.name = "time", .arguments = "{}"}}, false);
  EXPECT_TRUE(accepts(spelled, "Well. " + call));
  EXPECT_FALSE(accepts(spelled, "Well. " + call.substr(0, call.size() - 1)));
}

INSTANTIATE_TEST_SUITE_P(Formats, ToolGrammarTest,
                         ::testing::Values("deepseek-v3-0324", "deepseek-r1-0528", "deepseek-v3.1",
                                           "deepseek-v3.2", "qwen2.5", "qwen3", "kimi-k2",
                                           "kimi-k2-0711"));

// No mark begins Llama's call, and it is alone in its answer.
TEST(ToolGrammar, LlamaCallsFromTheFirstByte) {
  const std::string call = rendered("llama-3.1", {weather(R"({"city": "Paris", "days": 2})")});
  const std::string wrong = rendered("llama-3.1", {weather(R"({"city": "Paris", "days": 0})")});
  const GrammarSpec free = spec("llama-3.1");
  const GrammarSpec required = spec("llama-3.1", ToolSpec::Choice::kRequired);
  EXPECT_TRUE(accepts(free, call) && accepts(free, "Just {text}.") && accepts(free, ""));
  EXPECT_TRUE(accepts(required, call));
  EXPECT_FALSE(accepts(free, wrong) || accepts(free, call + call) || accepts(free, " " + wrong));
  EXPECT_FALSE(accepts(required, wrong) || accepts(required, "Just text."));
}

TEST(ToolGrammar, NamesThatCannotBeWrittenAreRefused) {
  for (const char* name : {"", "a b", "a\"b", "a\nb", "<f>", "`"}) {
    GrammarSpec wrong = spec("deepseek-v3.1");
    wrong.tools->tools[1].name = name;
    EXPECT_FALSE(compile(wrong)) << name;
  }
}

}  // namespace
}  // namespace fathom::grammar
