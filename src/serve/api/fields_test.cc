#include "serve/api/fields.h"

#include <gmock/gmock.h>

#include <array>

namespace fathom::serve {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

io::JsonValue parsed(std::string_view text) {
  auto value = read_body(text);
  EXPECT_TRUE(value) << text;
  return std::move(*value);
}

TEST(Fields, NullIsAbsentAndWholeFloatsAreIntegers) {
  const io::JsonValue body = parsed(R"({"a": null, "b": 16.0, "c": 16.5, "d": 1e300})");
  FieldReader reader(body.as_object());
  EXPECT_EQ(reader.integer("a", 0, 20), std::nullopt);
  EXPECT_EQ(reader.integer("none", 0, 20), std::nullopt);
  EXPECT_EQ(reader.integer("b", 0, 20), 16);
  EXPECT_TRUE(reader.ok());
  EXPECT_EQ(reader.integer("c", 0, 20), std::nullopt);
  EXPECT_EQ(reader.error()->code, "value_out_of_range");
  FieldReader large(body.as_object());
  EXPECT_EQ(large.integer("d", 0, INT64_MAX), std::nullopt);
  EXPECT_FALSE(large.ok());
}

TEST(Fields, TheFirstErrorCountsAndNamesFieldFoundAndExpected) {
  const io::JsonValue body = parsed(R"({"temperature": "1", "top_p": 7})");
  FieldReader reader(body.as_object(), "sampling.");
  reader.number("temperature", 0, 2);
  reader.number("top_p", 0, 1);
  EXPECT_EQ(reader.error()->param, "sampling.temperature");
  EXPECT_EQ(reader.error()->code, "invalid_type");
  EXPECT_EQ(reader.error()->message,
            "sampling.temperature: expected a number from 0 to 2, found a string \"1\"");
}

TEST(Fields, EachIsOfOneClass) {
  static constexpr std::array kRules = {
      FieldRule{"known"},
      FieldRule{"idle", FieldClass::kNoEffect},
      FieldRule{"no", FieldClass::kRefused},
      FieldRule{"one", FieldClass::kRefused,
                [](const io::JsonValue& value) { return as_whole(value) == 1; }},
  };
  const std::array<std::span<const FieldRule>, 1> rules = {kRules};
  const io::JsonValue fine =
      parsed(R"({"known": 1, "idle": [1], "no": {}, "one": 1.0, "x": 2, "y": null, "z": false})");
  FieldReader reader(fine.as_object());
  EXPECT_THAT(reader.check(rules), ElementsAre("x", "z"));
  EXPECT_TRUE(reader.ok());
  for (const char* const text : {R"({"no": "x"})", R"({"one": 2})", R"({"no": true})"}) {
    const io::JsonValue body = parsed(text);
    FieldReader refusing(body.as_object());
    refusing.check(rules);
    ASSERT_FALSE(refusing.ok()) << text;
    EXPECT_EQ(refusing.error()->code, "unsupported_parameter");
  }
}

TEST(Body, IsAnObjectAsClientsWriteThem) {
  EXPECT_EQ(parsed(R"({"a": 1, "b": 2, "a": 3})").find("a")->as_integer(), 3);
  EXPECT_EQ(parsed(R"({"a": "x\ud800y\udc00\ud83d\ude00"})").find("a")->as_string(),
            "x\uFFFDy\uFFFD\U0001F600");
  for (const char* const text : {"{", "[]", "\"x\"", "", "1", "{\"a\": 1} x", "{\"a\": tru}"}) {
    const auto value = read_body(text);
    ASSERT_FALSE(value) << text;
    EXPECT_EQ(value.error().code, "invalid_json") << text;
    EXPECT_EQ(value.error().status, 400);
  }
  const auto deep = read_body("{\"a\":" + std::string(128, '[') + std::string(128, ']') + "}");
  ASSERT_FALSE(deep);
  EXPECT_THAT(deep.error().message, HasSubstr("deeper"));
}

TEST(Body, ANumberThatIsTooLargeIsItsFieldsFault) {
  const auto value = read_body(R"({"a": 1, "temperature": 1e999})");
  ASSERT_FALSE(value);
  EXPECT_EQ(value.error().param, "temperature");
}

// Messages of the readers below begin with the place, which is what OpenAI calls param.
TEST(ReaderErrors, BecomeParamAndMessage) {
  const ApiError error = of_reader(
      Error(ErrorCode::kInvalidInput, "request: messages[0].role: expected \"user\""), "request");
  EXPECT_EQ(error.param, "messages[0].role");
  EXPECT_EQ(error.message, "messages[0].role: expected \"user\"");
  EXPECT_EQ(of_reader(Error(ErrorCode::kUnsupported, "no such thing: at all"), "").param, "");
}

}  // namespace
}  // namespace fathom::serve
