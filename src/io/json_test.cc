#include "io/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/check.h"

namespace fathom::io {
namespace {

using namespace std::string_literals;  // NOLINT: strings with NUL

using ::testing::HasSubstr;

std::string error_of(std::string_view text, const JsonLimits& limits = {}) {
  const auto parsed = parse_json(text, "a.json", limits);
  return parsed ? "no error" : parsed.error().message();
}

TEST(Json, KeepsKindsOrderAndValues) {
  const auto parsed = parse_json(
      R"({"b": [1, -2, 3.5, true, null, "caf\u00e9"], "a": {"x": 9223372036854775807, "y": 1e3}})",
      "a.json");
  ASSERT_TRUE(parsed) << parsed.error().message();
  const JsonArray& list = parsed->find("b")->as_array();
  EXPECT_EQ(list[0].as_integer(), 1);
  EXPECT_EQ(list[1].as_integer(), -2);
  EXPECT_EQ(list[2].as_number(), 3.5);
  EXPECT_TRUE(list[3].as_bool());
  EXPECT_TRUE(list[4].is_null());
  EXPECT_EQ(list[5].as_string(), "caf\u00e9");
  EXPECT_EQ(parsed->find("a")->find("x")->as_integer(), INT64_MAX);
  EXPECT_EQ(parsed->find("a")->find("y")->kind(), JsonKind::kNumber);
  EXPECT_EQ(parsed->as_object().begin()->first, "b") << "members keep the order of the text";
  EXPECT_EQ(parsed->find("c"), nullptr);
  EXPECT_EQ(list[0].find("c"), nullptr) << "find on no object";
}

TEST(Json, IntegersBeyondI64AreNumbers) {
  EXPECT_EQ(parse_json("18446744073709551615", "a")->kind(), JsonKind::kNumber);
  EXPECT_EQ(parse_json("9223372036854775808", "a")->as_number(), 9223372036854775808.0);
}

TEST(Json, ErrorsNameFileLineAndColumn) {
  EXPECT_THAT(error_of("{\n  \"a\": 1,\n  \"b\": tru\n}"), HasSubstr("a.json:3:"));
  EXPECT_THAT(error_of(""), HasSubstr("a.json:1:1: "));
  EXPECT_THAT(error_of("{} x"), HasSubstr("expected end of input"));
  EXPECT_THAT(error_of("{\"a\": 1e999}"), HasSubstr("number overflow"));
  EXPECT_THAT(error_of("[NaN]"), HasSubstr("invalid literal"));
  EXPECT_THAT(error_of("\"\xff\xfe\""), HasSubstr("ill-formed UTF-8"));
  EXPECT_THAT(error_of("\"\\ud800\""), HasSubstr("surrogate"));
  EXPECT_LT(error_of("\"" + std::string(1 << 20, 'x')).size(), 400u) << "excerpts are short";
}

TEST(Json, ANulByteIsAnError) {
  for (const std::string& text :
       {"{}"s + '\0', "{}\0{}"s, "\0"s, "{\"a\":\0 1}"s, "[1,\n\0]"s, "\"a\0\""s}) {
    const auto value = parse_json(text, "x.json");
    ASSERT_FALSE(value) << text;
    EXPECT_THAT(value.error().message(), ::testing::EndsWith(": a NUL byte"));
  }
  EXPECT_EQ(parse_json("[1,\n \0]"s, "x.json").error().message(), "x.json:2:2: a NUL byte");
  EXPECT_EQ(parse_json("\"\\u0000\"", "x.json")->as_string(), "\0"s);
}

TEST(Json, RefusesDuplicateKeysAnywhere) {
  EXPECT_THAT(error_of(R"({"a": 1, "b": {"c": 1, "d": 2, "c": 3}})"),
              HasSubstr("has the key \"c\" twice"));
  EXPECT_THAT(error_of(R"({"a": 1, "\u0061": 2})"), HasSubstr("has the key \"a\" twice"));
}

TEST(Json, CapsSizeDepthAndCount) {
  const std::string deep = std::string(65, '[') + std::string(65, ']');
  EXPECT_THAT(error_of(deep), HasSubstr("nested deeper than 64"));
  EXPECT_EQ(error_of(deep.substr(1, 128)), "no error");
  EXPECT_THAT(error_of(std::string(200000, '[')), HasSubstr("nested deeper than 64"));
  EXPECT_THAT(error_of("[1,2,3,4]", {.max_values = 3}), HasSubstr("more than 3 values"));
  EXPECT_THAT(error_of("[1,2,3,4]", {.max_bytes = 8}), HasSubstr("9 bytes of JSON"));
}

TEST(Json, WritesWhatItReads) {
  const std::string text =
      R"({"b":[1,-2,3.5,true,null,"a\"\\\n\u0001é"],"a":{"x":1e-06,"y":[],"z":{}}})";
  const auto parsed = parse_json(text, "a.json");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(write_json(*parsed), text);
  EXPECT_EQ(write_json(*parse_json("{\"a\":[1],\"b\":{}}", "x"), 2),
            "{\n  \"a\": [\n    1\n  ],\n  \"b\": {}\n}");
  EXPECT_EQ(write_json(JsonValue("\xff")), "\"\uFFFD\"") << "never writes invalid UTF-8";
}

TEST(Json, ObjectSetAndErase) {
  JsonObject object;
  for (const char* key : {"m", "c", "x", "a"}) object.set(key, key);
  object.set("c", 5);
  EXPECT_EQ(object.size(), 4u);
  EXPECT_EQ(object.find("c")->as_integer(), 5);
  EXPECT_TRUE(object.erase("m"));
  EXPECT_FALSE(object.erase("m"));
  EXPECT_EQ(object.find("x")->as_string(), "x");
  EXPECT_EQ(write_json(object), R"({"c":5,"x":"x","a":"a"})");
}

TEST(Json, TypedGettersSayWhatIsWrong) {
  const auto parsed = parse_json(R"({"size": "big", "n": 3})", "config.json");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(*get_integer(*parsed, "n", "config.json"), 3);
  EXPECT_EQ(*get_number(*parsed, "n", "config.json"), 3.0);
  EXPECT_EQ(get_integer(*parsed, "size", "config.json").error().message(),
            "config.json: size: expected an integer, found a string \"big\"");
  EXPECT_EQ(get_bool(*parsed, "on", "config.json").error().message(),
            "config.json: on: missing, expected true or false");
  EXPECT_EQ(get_array(*parsed, "n", "config.json").error().message(),
            "config.json: n: expected an array, found the number 3");
}

TEST(Json, WrongKindIsOurBug) { EXPECT_THROW((void)JsonValue("x").as_integer(), InternalError); }

TEST(Json, MissingFileIsNotFound) {
  const auto read = read_json("no/such/file.json");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code(), ErrorCode::kNotFound);
}

TEST(Json, ANumberThatIsTooLargeNamesItsMember) {
  EXPECT_THAT(error_of("{\"b\": 1, \"a\": 1e999}"), HasSubstr("\"a\": number overflow"));
  EXPECT_THAT(error_of("[1e999]"), HasSubstr("number overflow"));
}

TEST(Json, OfEqualKeysTheLastMayWin) {
  const JsonLimits limits{.last_key_wins = true};
  const auto value =
      parse_json(R"({"a": 1, "b": {"c": 1, "c": 2}, "a": 3, "d": 4, "a": 5})", "j", limits);
  ASSERT_TRUE(value);
  EXPECT_EQ(write_json(*value), R"({"b":{"c":2},"d":4,"a":5})");
  EXPECT_EQ(value->find("a")->as_integer(), 5);
}

TEST(Json, HalfASurrogatePairMayBeReplaced) {
  const JsonLimits limits{.replace_lone_surrogates = true};
  const auto text_of = [&](const std::string& text) {
    const auto value = parse_json(text, "j", limits);
    EXPECT_TRUE(value) << text;
    return value ? value->as_string() : "";
  };
  EXPECT_EQ(text_of(R"("\ud83d\ude00")"), "\U0001F600");
  EXPECT_EQ(text_of(R"("\ud83d")"), "\uFFFD");
  EXPECT_EQ(text_of(R"("\ude00\ud83d")"), "\uFFFD\uFFFD");
  EXPECT_EQ(text_of(R"("\ud83d\ud83d\ude00x")"), "\uFFFD\U0001F600x");
  EXPECT_EQ(text_of(R"("\\ud83d")"), "\\ud83d") << "a backslash, not an escape";
  EXPECT_FALSE(parse_json(R"("\ud8")", "j", limits));
  EXPECT_FALSE(parse_json(R"("\ud83d")", "j"));
}

}  // namespace
}  // namespace fathom::io
