#include "io/text/json_line.h"

#include <gtest/gtest.h>

#include <string>

namespace fathom::io {
namespace {

using namespace std::string_literals;  // NOLINT: strings with NUL

std::string text_of(std::string_view line) {
  const auto text = text_of_json_line(line, "text");
  return text ? text->text : "REFUSED " + text.error().message();
}

std::string defect_of(std::string_view line) {
  const auto text = text_of_json_line(line, "text");
  return text ? std::to_string(text->num_defects) + text->defect : "REFUSED";
}

TEST(JsonLine, TakesOneMember) {
  EXPECT_EQ(text_of(R"({"text":"a"})"), "a");
  EXPECT_EQ(text_of(" {\"id\" : 1 ,\t\"text\" : \"a b\" , \"x\":null } \r"), "a b");
  EXPECT_EQ(text_of("\xEF\xBB\xBF{\"text\":\"\"}"), "") << "files put together, each with a mark";
  EXPECT_EQ(text_of(R"({"te\u0078t":"by its meaning"})"), "by its meaning");
  EXPECT_EQ(text_of(R"({"meta":{"text":"inner"},"text":"outer"})"), "outer");
}

TEST(JsonLine, EscapesAreThoseOfJson) {
  EXPECT_EQ(text_of(R"({"text":"\"\\\/\b\f\n\r\t"})"), "\"\\/\b\f\n\r\t");
  EXPECT_EQ(text_of(R"({"text":"\u0041\u00e9\u20AC\ud83d\ude42\u0000."})"), "Aé€🙂\0."s);
  EXPECT_EQ(defect_of(R"({"text":"\u0000\ud83d\ude42"})"), "0");
}

TEST(JsonLine, OtherMembersMayHoldAnything) {
  for (const char* member :
       {R"("a":1,"a":2)", R"("a":{"b":1,"b":2})", R"("a":"\ud83d")", R"("\ud83d":1)",
        "\"a\":\"\xff\"", "\"\xff\":1", R"("a":NaN)", R"("a":[-Infinity,1e999,-0,1.0E+2])",
        R"("a":184467440737095516160)", R"("a":"\q")", "\"a\":\"\t\"",
        R"("a":[{},[],"]}",{"x":["}"]}])", R"("a":True)"}) {
    EXPECT_EQ(text_of("{"s + member + ",\"text\":\"kept\"}"), "kept") << member;
    EXPECT_EQ(text_of("{\"text\":\"kept\","s + member + "}"), "kept") << member;
  }
  const std::string deep(1'000'000, '[');
  EXPECT_EQ(text_of("{\"a\":" + deep + std::string(1'000'000, ']') + ",\"text\":\"kept\"}"),
            "kept");
  EXPECT_EQ(text_of("{\"a\":" + deep),
            "REFUSED :1000006: expected a bracket, found the end of the line");
}

TEST(JsonLine, DefectsOfTheTextAreRepairedAndCounted) {
  EXPECT_EQ(text_of(R"({"text":"a \ud83d"})"), "a \uFFFD");
  EXPECT_EQ(defect_of(R"({"text":"a \ud83d"})"), "1:12: \\ud83d is half a character");
  EXPECT_EQ(text_of(R"({"text":"\ude42\ud83d\ud83d\ude42\ud83dx"})"), "\uFFFD\uFFFD🙂\uFFFDx");
  EXPECT_EQ(defect_of(R"({"text":"\ude42\ud83d\ud83d\ude42\ud83dx"})"),
            "3:10: \\ude42 is half a character");
  EXPECT_EQ(text_of(R"({"text":"C:\path\u12g4\ud83d\u"})"), "C:\uFFFDpath\uFFFDu12g4\uFFFD\uFFFDu");
  EXPECT_EQ(defect_of(R"({"text":"C:\path"})"), "1:12: the escape \\p means nothing");
  EXPECT_EQ(text_of("{\"text\":\"a\tb\0c\"}"s), "a\tb\0c"s);
  EXPECT_EQ(defect_of("{\"text\":\"a\tb\0c\"}"s),
            "2:11: the control character U+0009 is not escaped");
  EXPECT_EQ(text_of("{\"text\":\"\xff\xc3\"}"), "\xff\xc3") << "the caller repairs UTF-8";
}

TEST(JsonLine, TheFrameMustBeSound) {
  const std::pair<std::string, std::string> kCases[] = {
      {"", ":1: expected an object, found the end of the line"},
      {"plain words", ":1: expected an object, found plain"},
      {R"(["a"])", ":1: expected an object, found an array"},
      {R"("a")", ":1: expected an object, found a string \"a\""},
      {R"({"text":"a"})"s + "\0"s + R"({"text":"b"})",
       ":13: expected the end of the line, found a NUL byte"},
      {"{\0\"text\":\"a\"}"s, ":2: expected a member's name, found a NUL byte"},
      {"{\"text\":\"a\",\"b\":1\0}"s,
       ":18: expected a comma or the end of the object, found a NUL byte"},
      {"{\"b\":[\0],\"text\":\"a\"}"s, ":7: expected a value, found a NUL byte"},
      {R"({"text":"a"}{"text":"b"})", ":13: expected the end of the line, found an object"},
      {R"({"text":"a"},)", ":13: expected the end of the line, found ,"},
      {R"({"text":"a",})", ":13: expected a member's name, found }"},
      {R"({"text":"a)", ":9: a string that does not end"},
      {R"({"text":"a\")", ":9: a string that does not end"},
      {R"({"text":"a\)", ":9: a string that does not end"},
      {R"({"text)", ":2: a string that does not end"},
      {R"({"text":"a")",
       ":12: expected a comma or the end of the object, found the end of the line"},
      {R"({"text" "a"})", ":9: expected a colon, found a string \"a\""},
      {R"({"text":})", ":9: expected a value, found }"},
      {R"({"a":[1},"text":"a"})", ":8: expected a value, found }"},
      {R"({text:"a"})", ":2: expected a member's name, found text"},
      {R"({"text":null})", ":9: `text`: expected a string, found null"},
      {R"({"text":-1.5})", ":9: `text`: expected a string, found the number -1.5"},
      {R"({"text":["a"]})", ":9: `text`: expected a string, found an array"},
      {R"({"text":"a","text":"b"})", ":13: a second member `text`"},
      {R"({"body":"a","id":7})", ": no member `text`; the line has `body`, `id`"},
      {"{}", ": no member `text`"},
  };
  for (const auto& [line, message] : kCases) EXPECT_EQ(text_of(line), "REFUSED " + message) << line;
  std::string many = "{";
  for (int i = 0; i < 9; ++i) many += (i > 0 ? ",\"m" : "\"m") + std::to_string(i) + "\":0";
  EXPECT_EQ(text_of(many + "}"),
            "REFUSED : no member `text`; the line has `m0`, `m1`, `m2`, `m3`, `m4`, `m5`, `m6`, "
            "`m7`, ...");
}

}  // namespace
}  // namespace fathom::io
