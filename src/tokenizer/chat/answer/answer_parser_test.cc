// Thoughts and calls in texts, whole and in pieces.
#include "tokenizer/chat/answer/answer_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tokenizer/chat/answer/json_scanner.h"
#include "tokenizer/chat/answer/test_answers.h"

namespace fathom::tokenizer {
namespace {

using test_answers::all_marks;
using test_answers::Asked;
using test_answers::read_all_ways;
using test_answers::read_both;
using test_answers::split_at_marks;
using test_answers::with_marks;

AnswerOptions thinking() { return {.in_thought = true, .tools = {"f", "g"}, .stop = {}}; }

TEST(Thoughts, WhereThePromptOpensThem) {
  const Asked v31{.chat_template = "deepseek-v3.1", .options = thinking()};
  EXPECT_EQ(read_both(v31, "Hm.</think>Yes."), "[think]Hm.[text]Yes.");
  EXPECT_EQ(read_both(v31, "</think>Yes."), "[text]Yes.");
  EXPECT_EQ(read_both(v31, "Hm."), "[think]Hm.");
  // V3.1 and V3.2 write nothing around a thought, so what is there is the thought's and the
  // content's.
  EXPECT_EQ(read_both(v31, " Hm.\n</think>\nYes.\n"), "[think] Hm.\n[text]\nYes.\n");
  // A model that opens what is open.
  EXPECT_EQ(read_both(v31, "<think>Hm.</think>Yes."), "[think]Hm.[text]Yes.");
  EXPECT_EQ(read_both(v31, "\n<think>Hm.</think>Yes."), "[think]Hm.[text]Yes.");
}

TEST(Thoughts, LineBreaksAroundThemAreTheTemplates) {
  for (const char* name : {"deepseek-r1", "deepseek-r1-distill", "deepseek-r1-0528", "qwen3"}) {
    const Asked asked{.chat_template = name, .options = thinking()};
    EXPECT_EQ(read_both(asked, "\nHm.\n\nSo.\n</think>\n\n  Yes.\n"),
              "[think]Hm.\n\nSo.[text]  Yes.\n");
    EXPECT_EQ(read_both(asked, "\n\n</think>\n\nYes."), "[text]Yes.");
    EXPECT_EQ(read_both(asked, "Hm.\n"), "[think]Hm.");
  }
}

TEST(Thoughts, WhereTheModelOpensThem) {
  for (const char* name : {"deepseek-r1-0528", "deepseek-r1-plain", "qwen3"}) {
    const Asked asked{.chat_template = name};
    EXPECT_EQ(read_both(asked, "<think>\nHm.\n</think>\n\nYes."), "[think]Hm.[text]Yes.");
    EXPECT_EQ(read_both(asked, "\n<think>Hm."), "[think]Hm.");
    // One that does not think although it was told to.
    EXPECT_EQ(read_both(asked, "Yes."), "[text]Yes.");
    EXPECT_EQ(read_both(asked, "\n Yes."), "[text]\n Yes.");
    EXPECT_EQ(read_both(asked, "<thin air>"), "[text]<thin air>");
  }
}

// A vocabulary that has the mark as a token never writes it in any other way.
TEST(Thoughts, TextThatSpellsATokenIsText) {
  const MarkBytes tokens(all_marks());
  const Asked asked{.chat_template = "deepseek-r1", .options = thinking()};
  const std::string end = tokens(kThinkEnd);
  EXPECT_EQ(read_all_ways(asked, tokens, "The mark is </think> or <think>." + end + "</think>"),
            "[think]The mark is </think> or <think>.[text]</think>");
  const Asked calls{.chat_template = "qwen3"};
  EXPECT_EQ(read_all_ways(calls, tokens, "<tool_call>\n{\"name\": \"f\"}\n</tool_call>"),
            "[text]<tool_call>\n{\"name\": \"f\"}\n</tool_call>");
}

TEST(Thoughts, OfATemplateWithoutThem) {
  EXPECT_EQ(read_all_ways({.chat_template = "qwen2.5"}, MarkBytes({}), "<think>a</think>b"),
            "[text]<think>a</think>b");
  const MarkBytes tokens(all_marks());
  EXPECT_EQ(read_all_ways({.chat_template = "chatml"}, tokens,
                          with_marks(split_at_marks("<think>a</think>b"), tokens)),
            "[think]a[text]b");
}

struct Format {
  const char* chat_template;
  // A call of f with {"a": 1}, one of g, and what stands around and between calls.
  const char *f, *g, *begin, *between, *end;
};

std::ostream& operator<<(std::ostream& out, const Format& format) {
  return out << format.chat_template;
}

const Format kFormats[] = {
    {"deepseek-v3-0324",
     "<｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{\"a\": 1}\n```<｜tool▁call▁end｜>",
     "<｜tool▁call▁begin｜>function<｜tool▁sep｜>g\n```json\n{}\n```<｜tool▁call▁end｜>",
     "<｜tool▁calls▁begin｜>", "\n", "<｜tool▁calls▁end｜>"},
    {"deepseek-v3.1", "<｜tool▁call▁begin｜>f<｜tool▁sep｜>{\"a\": 1}<｜tool▁call▁end｜>",
     "<｜tool▁call▁begin｜>g<｜tool▁sep｜>{}<｜tool▁call▁end｜>", "<｜tool▁calls▁begin｜>", "",
     "<｜tool▁calls▁end｜>"},
    {"deepseek-v3.2",
     "<｜DSML｜invoke name=\"f\">\n<｜DSML｜parameter name=\"a\" "
     "string=\"false\">1</｜DSML｜parameter>\n</｜DSML｜invoke>",
     "<｜DSML｜invoke name=\"g\">\n\n</｜DSML｜invoke>", "\n\n<｜DSML｜function_calls>\n", "\n",
     "\n</｜DSML｜function_calls>"},
    {"qwen3", "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call>",
     "<tool_call>\n{\"name\": \"g\", \"arguments\": {}}\n</tool_call>", "\n", "\n", ""},
    {"kimi-k2",
     "<|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{\"a\": 1}<|tool_call_end|>",
     "<|tool_call_begin|>functions.g:1<|tool_call_argument_begin|>{}<|tool_call_end|>",
     "<|tool_calls_section_begin|>", "", "<|tool_calls_section_end|>"},
};

class CallsTest : public ::testing::TestWithParam<Format> {
 protected:
  std::string read(const std::string& text, bool cut = false) const {
    return read_both({.chat_template = GetParam().chat_template, .cut = cut}, text);
  }
  std::string one() const { return std::string(GetParam().begin) + GetParam().f + GetParam().end; }
  std::string two() const {
    return std::string(GetParam().begin) + GetParam().f + GetParam().between + GetParam().g +
           GetParam().end;
  }
};

constexpr const char* kF = R"([call f]{"a": 1}[end])";
constexpr const char* kG = "[call g]{}[end]";

TEST_P(CallsTest, AreRead) {
  EXPECT_EQ(read(one()), kF);
  EXPECT_EQ(read(two()), std::string(kF) + kG);
  EXPECT_EQ(read("Let me see." + two()), std::string("[text]Let me see.") + kF + kG);
  // White space alone is no content beside a call.
  EXPECT_EQ(read("\n " + one() + "\n"), kF);
  // Text behind calls, and calls behind that.
  EXPECT_EQ(read(one() + "\nAnd this: " + one() + "\nDone.\n"),
            std::string(kF) + "[text]And this: " + kF + "[text]Done.\n");
}

TEST_P(CallsTest, LineBreaksOfTheFormatAreNotTheContents) {
  EXPECT_EQ(read("Well.\n" + one()), std::string("[text]Well.\n") + kF);
}

TEST_P(CallsTest, WithoutToolsNothingIsLookedFor) {
  const MarkBytes tokens(all_marks());
  Asked asked{.chat_template = GetParam().chat_template, .options = {}};
  const std::string text = with_marks(split_at_marks("a" + one() + "b"), tokens);
  const std::string read = read_all_ways(asked, tokens, text);
  EXPECT_THAT(read, ::testing::HasSubstr("[text]a"));
  EXPECT_THAT(read, ::testing::Not(::testing::HasSubstr("[call")));
}

// A cut at every place: what is there was there before the cut too.
TEST_P(CallsTest, CutAnswersKeepWhatIsComplete) {
  const MarkBytes tokens(all_marks());
  const Asked asked{.chat_template = GetParam().chat_template, .cut = true};
  const std::string text = with_marks(split_at_marks("Hm. " + two()), tokens);
  const std::string whole = read_all_ways(asked, tokens, text, 0);
  std::string before;
  for (const size_t end : test_answers::character_ends(text)) {
    std::string cut = read_all_ways(asked, tokens, text.substr(0, end), 2);
    if (cut.ends_with("[cut]")) cut.resize(cut.size() - 5);
    if (cut.ends_with("[text]Hm. \n") || cut.ends_with("[text]Hm. \n\n") ||
        cut.ends_with("[text]Hm. \n\n<") || cut.ends_with("[text]Hm. <")) {
      continue;  // might have been the content's
    }
    EXPECT_TRUE(whole.starts_with(cut)) << cut << " of " << whole;
    EXPECT_TRUE(cut.starts_with(before) || before.starts_with(cut)) << before << " then " << cut;
    before = cut;
  }
}

TEST_P(CallsTest, ACapBehindTheArgumentsDeliversTheCall) {
  const MarkBytes tokens(all_marks());
  const std::string call = with_marks(split_at_marks(one()), tokens);
  const size_t arguments_end = GetParam().chat_template == std::string("deepseek-v3.2")
                                   ? call.rfind("</") + 2 - std::string("</\xFCinvoke>\n").size()
                                   : call.find('}') + 1;
  for (size_t end = arguments_end + 1; end < call.size(); ++end) {
    const Asked asked{.chat_template = GetParam().chat_template, .cut = true};
    EXPECT_EQ(read_all_ways(asked, tokens, call.substr(0, end), 2), kF) << end;
  }
}

// A model that ends a thought by calling ends it, where the marks are tokens.
TEST_P(CallsTest, BeginInsideAThought) {
  const std::string name = GetParam().chat_template;
  if (name == "kimi-k2" || name == "deepseek-v3-0324") return;
  const MarkBytes tokens(all_marks());
  const Asked asked{.chat_template = GetParam().chat_template, .options = thinking()};
  EXPECT_EQ(read_all_ways(asked, tokens, with_marks(split_at_marks("Hm." + two()), tokens)),
            std::string("[think]Hm.") + kF + kG);
  // Spelled ones may be what it thinks about.
  EXPECT_EQ(read_all_ways(asked, MarkBytes({}), "Hm." + two()), "[think]Hm." + two());
}

INSTANTIATE_TEST_SUITE_P(Formats, CallsTest, ::testing::ValuesIn(kFormats));

TEST(MarkedCalls, Variants) {
  const Asked r1{.chat_template = "deepseek-r1-0528"};
  const std::string begin = "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>";
  const std::string end = "<｜tool▁call▁end｜><｜tool▁calls▁end｜>";
  const std::string sep = "<｜tool▁sep｜>";
  // Without a fence, in the other dialect, without arguments, without the outer marks.
  EXPECT_EQ(read_both(r1, begin + "function" + sep + "f\n{\"a\": 1}" + end), kF);
  EXPECT_EQ(read_both(r1, begin + "f" + sep + "{\"a\": 1}" + end), kF);
  EXPECT_EQ(read_both(r1, begin + "function" + sep + "g\n```json\n```" + end), kG);
  EXPECT_EQ(read_both(r1, begin + "function" + sep + "g" + end), kG);
  EXPECT_EQ(read_both(r1, "<｜tool▁call▁begin｜>f" + sep + "{\"a\": 1}<｜tool▁call▁end｜>"), kF);
  // No end of the calls, as V3's template writes a single one; no end of the call.
  EXPECT_EQ(read_both(r1, begin + "f" + sep + "{\"a\": 1}\n```<｜tool▁call▁end｜>"), kF);
  EXPECT_EQ(read_both(r1, begin + "f" + sep + "{\"a\": 1}<｜tool▁calls▁end｜>"), kF);
  EXPECT_EQ(read_both(r1, begin + "f" + sep + "{\"a\": 1}"), kF);
  EXPECT_EQ(
      read_both(r1, begin + "f" + sep + "{\"a\": 1}<｜tool▁call▁begin｜>g" + sep + "{}" + end),
      std::string(kF) + kG);
  // A text may speak of fences and marks.
  EXPECT_EQ(read_both(r1, begin + "f" + sep + "{\"a\": \"\\n```\\n{}\"}" + end),
            "[call f]{\"a\": \"\\n```\\n{}\"}[end]");
  const MarkBytes tokens(all_marks());
  EXPECT_EQ(read_all_ways(r1, tokens,
                          with_marks(split_at_marks(begin + "f" + sep), tokens) + "{\"a\": \"" +
                              end + "\"}" + with_marks(split_at_marks(end), tokens)),
            "[call f]{\"a\": \"" + end + "\"}[end]");
}

TEST(MarkedCalls, Malformed) {
  const Asked asked{.chat_template = "deepseek-v3.1"};
  const std::string begin = "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>";
  const std::string end = "<｜tool▁call▁end｜><｜tool▁calls▁end｜>";
  const std::string sep = "<｜tool▁sep｜>";
  // No call at all is content, without the marks.
  EXPECT_EQ(read_both(asked, begin + "what now" + end + "?"), "[text]what now?");
  EXPECT_EQ(read_both(asked, begin + sep + "{}" + end), "[text]{}");
  EXPECT_EQ(read_both(asked, "a<｜tool▁calls▁begin｜>b<｜tool▁calls▁end｜>c"), "[text]abc");
  EXPECT_EQ(read_both(asked, begin + std::string(3000, 'x') + sep + "{}" + end),
            "[text]" + std::string(3000, 'x') + "{}");
  EXPECT_EQ(read_both(asked, begin + "f"), "[text]f");
  // Cut before the name is whole: nothing.
  EXPECT_EQ(read_both({.cut = true}, begin + "f"), "");
  // Arguments that are no JSON stand as they were written, and the call says so.
  EXPECT_EQ(read_both(asked, begin + "f" + sep + "{'a': 1}" + end), "[call f]{'a': 1}[cut]");
  EXPECT_EQ(read_both(asked, begin + "f" + sep + "a=1 \n```\n" + end), "[call f]a=1[cut]");
  EXPECT_EQ(read_both(asked, begin + "f" + sep + "{\"a\": 1" + end), "[call f]{\"a\": 1[cut]");
  // Rubbish between arguments and the end mark is dropped.
  EXPECT_EQ(read_both(asked, begin + "f" + sep + "{\"a\": 1}}" + end), kF);
  // Without an end mark it is content.
  EXPECT_EQ(read_both(asked, begin + "f" + sep + "{\"a\": 1} And so on."),
            std::string(kF) + "[text]And so on.");
  EXPECT_EQ(read_both(asked, "a<｜tool▁call▁end｜>b" + sep), "[text]ab");
}

TEST(ObjectCalls, Variants) {
  const Asked asked{.chat_template = "qwen2.5"};
  const auto call = [](const std::string& inside) {
    return "<tool_call>" + inside + "</tool_call>";
  };
  EXPECT_EQ(read_both(asked, call(R"({"name":"f","arguments":{"a": 1}})")), kF);
  EXPECT_EQ(read_both(asked, call(R"({"arguments": {"a": 1}, "name": "f"})")), kF);
  EXPECT_EQ(
      read_both(asked, call(R"({"id": [1, "}"], "name": "f", "parameters": {"a": 1}, "x": 2})")),
      kF);
  EXPECT_EQ(read_both(asked, call(R"({"name": "f", "arguments": "{\"a\": 1}"})")), kF);
  EXPECT_EQ(read_both(asked, call(R"({"name": "g"})")), kG);
  EXPECT_EQ(read_both(asked, call(R"({"name": "g", "arguments": null})")), kG);
  EXPECT_EQ(read_both(asked, call(R"({"name": "g", "arguments": [1, 2] })")),
            "[call g][1, 2][cut]");
  EXPECT_EQ(read_both(asked, call(R"({"name": "f", "arguments": {"a": 1})")), kF);
  EXPECT_EQ(
      read_both(asked, call(R"({"name": "f", "arguments": {"a": "</tool_call", "b": "{,}:"}})")),
      R"([call f]{"a": "</tool_call", "b": "{,}:"}[end])");
  EXPECT_EQ(read_both(asked, call(R"({"name": "\u0066", "arguments": {"a": 1}})")), kF);
  // No call.
  EXPECT_EQ(read_both(asked, call("\n<function=f>\n")), "[text]<function=f>\n");
  EXPECT_EQ(read_both(asked, call(R"({"nam": "f", "arguments": {}})")),
            R"([text]{"nam": "f", "arguments": {}})");
  EXPECT_EQ(read_both(asked, call(R"({"name": 5, "arguments": {}})") + "x"),
            R"([text]{"name": 5, "arguments": {}}x)");
  // Cut.
  const Asked cut{.chat_template = "qwen2.5", .cut = true};
  EXPECT_EQ(read_both(cut, "<tool_call>\n{\"name\": \"f"), "");
  EXPECT_EQ(read_both(cut, "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a"),
            "[call f]{\"a[cut]");
}

TEST(ObjectCalls, LlamasHaveNoMark) {
  const Asked asked{.chat_template = "llama-3.1"};
  EXPECT_EQ(read_both(asked, R"({"name": "f", "parameters": {"a": 1}})"), kF);
  EXPECT_EQ(read_both(asked,
                      "\n"
                      R"({"type": "function", "name": "f", "parameters": {"a": 1}})"),
            kF);
  EXPECT_EQ(read_both(asked, R"({"name": "f", "parameters": {"a": 1)"), R"([call f]{"a": 1[cut])");
  EXPECT_EQ(read_both(asked, R"({"name": "f", "parameters": {"a": 1}} Done.)"),
            std::string(kF) + "[text] Done.");
  // An object that calls nothing known, or is none.
  for (const char* text : {R"({"name": "Ada", "born": 1815})", R"({"name": "h", "parameters": {}})",
                           R"({"a": {"b": 1}})", "{name}", "{", " {\"name\": \"f", "a {}"}) {
    EXPECT_EQ(read_both(asked, text), std::string("[text]") + text);
  }
}

TEST(DsmlCalls, BecomeJson) {
  const Asked asked{.chat_template = "deepseek-v3.2"};
  const auto call = [](const std::string& inside) {
    return "\n\n<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"f\">\n" + inside +
           "\n</｜DSML｜invoke>\n</｜DSML｜function_calls>";
  };
  const auto text = [](const std::string& name, const std::string& value) {
    return "<｜DSML｜parameter name=\"" + name + "\" string=\"true\">" + value +
           "</｜DSML｜parameter>";
  };
  const auto json = [](const std::string& name, const std::string& value) {
    return "<｜DSML｜parameter name=\"" + name + "\" string=\"false\">" + value +
           "</｜DSML｜parameter>";
  };
  EXPECT_EQ(read_both(asked, call(text("a", "x \"y\"\n\t\\ <b> ü 😀 </"))),
            R"([call f]{"a": "x \"y\"\n\t\\ <b> ü 😀 </"}[end])");
  EXPECT_EQ(read_both(asked, call(text("a", "") + "\n" + json("b", "[1, {\"c\": null}]") + "\n" +
                                  json("d", " -1.5 "))),
            R"([call f]{"a": "", "b": [1, {"c": null}], "d": -1.5}[end])");
  // A value that is no JSON is what its letters say.
  EXPECT_EQ(read_both(asked, call(json("a", "Paris"))), R"([call f]{"a": "Paris"}[end])");
  EXPECT_EQ(read_both(asked, call("<｜DSML｜parameter name=\"a\">Paris</｜DSML｜parameter>")),
            R"([call f]{"a": "Paris"}[end])");
  EXPECT_EQ(read_both(asked, call("junk " + json("a", "1") + " more < junk")), kF);
  // Marks that are missing.
  EXPECT_EQ(read_both(asked, "<｜DSML｜invoke name=\"f\">" + json("a", "1") + "</｜DSML｜invoke>"),
            kF);
  EXPECT_EQ(read_both(asked, "<｜DSML｜function_calls><｜DSML｜invoke name=\"f\">" +
                                 json("a", "1") + "</｜DSML｜function_calls>."),
            std::string(kF) + "[text].");
  EXPECT_EQ(read_both(asked,
                      "<｜DSML｜invoke name=\"f\"><｜DSML｜parameter name=\"a\" "
                      "string=\"true\">x</｜DSML｜invoke>"),
            R"([call f]{"a": "x"}[end])");
  EXPECT_EQ(read_both(asked, "<｜DSML｜invoke nam=\"f\">x"), "[text]nam=\"f\">x");
  // Cuts.
  const Asked cut{.chat_template = "deepseek-v3.2", .cut = true};
  const std::string begin = "<｜DSML｜invoke name=\"f\">";
  EXPECT_EQ(read_both(cut, "<｜DSML｜invoke name=\"f"), "");
  EXPECT_EQ(read_both(cut, begin), "[call f][cut]");
  EXPECT_EQ(
      read_both(cut, begin + "<｜DSML｜parameter name=\"a\" string=\"true\">half </｜DSML｜para"),
      R"([call f]{"a": "half [cut])");
  EXPECT_EQ(read_both(cut, begin + "<｜DSML｜parameter name=\"a\" string=\"false\">[1, 2"),
            R"([call f]{"a": [1, 2[cut])");
  EXPECT_EQ(read_both(cut, begin + json("a", "1")), R"([call f]{"a": 1[cut])");
  EXPECT_EQ(read_both(cut, begin + json("a", "1") + "\n</｜DSML｜inv"), kF);
}

TEST(StopTexts, AreLookedForInTheContentAlone) {
  const auto asked = [](std::vector<std::string> stop) {
    return Asked{.chat_template = "qwen3",
                 .options = {.in_thought = true, .tools = {"f"}, .stop = std::move(stop)}};
  };
  const std::string call =
      "\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": \"STOP\"}}\n</tool_call>";
  EXPECT_EQ(read_both(asked({"STOP"}), "a STOP\n</think>\n\nb" + call),
            "[think]a STOP[text]b[call f]{\"a\": \"STOP\"}[end]");
  EXPECT_EQ(read_both(asked({"STOP"}), "a</think>b STOP c" + call), "[think]a[text]b ");
  EXPECT_EQ(read_both(asked({"\n\n"}), "a\n</think>\n\nb\n\nc"), "[think]a[text]b");
  // It does not reach across a call.
  EXPECT_EQ(read_both(asked({"bc"}), "</think>b" + call + "c"),
            "[text]b[call f]{\"a\": \"STOP\"}[end][text]c");
  EXPECT_EQ(read_both(asked({"bcd"}), "</think>xbc"), "[text]xbc");
}

// Rubbish of all kinds: no mark comes out, every way of cutting gives the same, and arguments that
// are said to be whole are.
TEST(Answers, OfAnyTextDoNotDependOnTheCuts) {
  std::vector<std::string> pieces = {"{",
                                     "}",
                                     "\"",
                                     "[",
                                     "]",
                                     ":",
                                     ",",
                                     "\\",
                                     "1",
                                     "true",
                                     " ",
                                     "\n",
                                     "\n\n",
                                     "a",
                                     "ü",
                                     "😀",
                                     "`",
                                     "```",
                                     "```json\n",
                                     "f",
                                     "function",
                                     "functions.f:0",
                                     "<",
                                     "</",
                                     ">",
                                     "STOP",
                                     "{\"name\": \"f\", \"arguments\": {\"a\": 1}}",
                                     "{\"a\": 1}",
                                     "\"name\": \"f\"",
                                     "\"arguments\": ",
                                     "name=\"f\" string=\"true\">",
                                     "name=\"g\">",
                                     "function_calls>",
                                     "invoke ",
                                     "invoke>",
                                     "parameter ",
                                     "parameter>"};
  for (const std::string& mark : all_marks()) pieces.insert(pieces.end(), 2, mark);
  std::mt19937 random(3);
  const MarkBytes tokens(all_marks()), spelled({});
  for (int i = 0; i < 4000; ++i) {
    const auto chat_templates_of_all = chat_templates();
    const ChatTemplate& chosen = chat_templates_of_all[random() % chat_templates_of_all.size()];
    Asked asked{.chat_template = chosen.name.data(), .cut = random() % 2 == 0};
    asked.options.in_thought = chosen.thinking != ThinkingSupport::kNever && random() % 2 == 0;
    if (random() % 3 == 0) asked.options.stop = {"STOP", "a1"};
    std::string text;
    const bool as_tokens = random() % 2 == 0;
    for (size_t n = 1 + random() % 14; n > 0; --n) text += pieces[random() % pieces.size()];
    const MarkBytes& marks = as_tokens ? tokens : spelled;
    const std::string flat = as_tokens ? with_marks(split_at_marks(text), tokens) : text;
    const std::string read = read_all_ways(asked, marks, flat, 4);
    AnswerParser parser(chosen, marks, asked.options);
    std::vector<AnswerPart> parts;
    parser.push(flat, parts);
    parser.finish(asked.cut, parts);
    std::string arguments;
    for (const AnswerPart& part : parts) {
      if (part.kind == AnswerPart::Kind::kCallBegin) arguments.clear();
      if (part.kind == AnswerPart::Kind::kArguments) arguments += part.text;
      if (part.kind == AnswerPart::Kind::kCallEnd && part.complete) {
        JsonScanner scanner;
        auto state = JsonScanner::State::kMore;
        for (const char c : arguments) state = scanner.push(c);
        EXPECT_EQ(state, JsonScanner::State::kDone) << arguments << " of " << text;
      }
    }
    if (::testing::Test::HasFailure()) FAIL() << chosen.name << ": " << text;
  }
}

}  // namespace
}  // namespace fathom::tokenizer
