// Python's texts: what hashes and prompts of lm-eval are made of.
#include <gmock/gmock.h>

#include "eval/text/boxed.h"
#include "eval/text/python_json.h"
#include "eval/text/python_text.h"
#include "eval/text/regex.h"
#include "eval/text/sha256.h"

namespace fathom::eval {
namespace {

using ::testing::ElementsAre;

TEST(PythonJson, IsJsonDumps) {
  const auto value = value_or_throw(io::parse_json(
      R"({"a": [1, "é\n\"", null], "b": {}, "c": [], "d": {"x": true, "y": 1.0}})", "t"));
  EXPECT_EQ(
      python_json(value),
      "{\"a\": [1, \"é\\n\\\"\", null], \"b\": {}, \"c\": [], \"d\": {\"x\": true, \"y\": 1.0}}");
  EXPECT_EQ(python_json(value, 2),
            "{\n  \"a\": [\n    1,\n    \"é\\n\\\"\",\n    null\n  ],\n  \"b\": {},\n  \"c\": [],\n"
            "  \"d\": {\n    \"x\": true,\n    \"y\": 1.0\n  }\n}");
}

TEST(PythonStr, IsStr) {
  const auto value = value_or_throw(io::parse_json(R"(["a'b", "c", 1, true, null, 2.5])", "t"));
  EXPECT_EQ(python_str(value), "[\"a'b\", 'c', 1, True, None, 2.5]");
  EXPECT_EQ(python_str(io::JsonValue("as it is")), "as it is");
  // What str.isprintable() is False for is escaped inside a list: spaces but U+0020, marks of
  // direction, private and unassigned characters.
  const auto rare = value_or_throw(io::parse_json(
      R"(["a\u00a0b\u00ad", "\u200b\u2028\u3000", "\ue000\u0378", "\ud83d\ude00\udb40\udc01", "\u0001\u007f\\\n"])",
      "t"));
  EXPECT_EQ(python_str(rare), R"(['a\xa0b\xad', '\u200b\u2028\u3000', '\ue000\u0378', ')"
                              "\xF0\x9F\x98\x80"
                              R"(\U000e0001', '\x01\x7f\\\n'])");
}

TEST(PythonText, StripsSplitsAndChangesCase) {
  EXPECT_EQ(strip(" \t\n\x1c a b \xC2\xA0\xE3\x80\x80"), "a b");
  EXPECT_EQ(capitalize("éCOLE Ünd ΣΑ"), "École ünd σα");
  EXPECT_EQ(upper("straße é"), "STRAßE É");  // Python's SS is not among the letters that change
  EXPECT_THAT(split(" a  b\n", ""), ElementsAre("a", "b"));
  EXPECT_THAT(split("a,,b", ","), ElementsAre("a", "", "b"));
  EXPECT_EQ(num_characters("aé€😀"), 4);
}

TEST(Sha256, IsLmEvalsHash) {
  // hashlib.sha256(json.dumps({"query": "q", "gold": 1}, indent=2, ensure_ascii=False).encode())
  const auto doc = value_or_throw(io::parse_json(R"({"query": "q", "gold": 1})", "t"));
  EXPECT_EQ(sha256_hex(python_json(doc, 2)),
            "d3995202a57c11079ac778bb37f4c65026895ac96f3f52a6db6859b4faf8250b");
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(RegexTest, FindsAndReplacesAsPython) {
  const Regex numbers = value_or_throw(Regex::compile("(-?[$0-9.,]{2,})|(-?[0-9]+)"));
  const auto all = numbers.find_all("a 12, b 3 c");
  ASSERT_EQ(all.size(), 2u);
  EXPECT_THAT(all[0], ElementsAre("12,", ""));
  EXPECT_THAT(all[1], ElementsAre("", "3"));
  EXPECT_EQ(value_or_throw(Regex::compile("(a)(b)?")).replace("abxa", "<\\1\\2>"), "<ab>x<a>");
  EXPECT_EQ(value_or_throw(Regex::compile("x*")).replace("aé", "-"), "-a-é-");
  const auto wrong = Regex::compile("a(b");
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().message(), ::testing::HasSubstr("\"a(b\""));
}

TEST(Boxed, IsTheLastOneWithItsBraces) {
  EXPECT_EQ(last_boxed("\\boxed{1} and \\boxed{\\frac{1}{2}}."), "\\frac{1}{2}");
  EXPECT_EQ(last_boxed("so $\\boxed 7$ is it"), "7");
  EXPECT_EQ(last_boxed("nothing"), std::nullopt);
  EXPECT_EQ(last_boxed("\\boxed{open"), std::nullopt);
}

}  // namespace
}  // namespace fathom::eval
