#include <gmock/gmock.h>

#include "eval/task/template/template.h"
#include "eval/text/python_json.h"

namespace fathom::eval {
namespace {

using ::testing::HasSubstr;

io::JsonValue document() {
  return value_or_throw(io::parse_json(
      R"({"question": {"stem": " Why? ", "choices": [{"text": "a", "label": "1"}, {"text": "b", "label": "2"}]},
          "answerKey": "2", "label": "1", "spaced": "x \n", "n": 3, "none": null, "list": ["p", "q", "r"],
          "math": "so $\\boxed{4}$"})",
      "t"));
}

std::string text_of(std::string_view text) {
  const Result<Template> made = Template::parse(text);
  if (!made) return "parse: " + made.error().message();
  const Result<std::string> out = made->text(document());
  return out ? *out : "error: " + out.error().message();
}

TEST(Expression, TakesValuesAndMakesTexts) {
  const std::pair<const char*, const char*> cases[] = {
      {"Q:{{question.stem|strip}}!", "Q:Why?!"},
      {"{{question.choices[].text}}", "['a', 'b']"},
      {"{{answerKey|index(question.choices[].label)}}", "1"},
      {"{{label|int|minus(1)}}", "0"},
      {"{{list[-1]}}{{list[0]}}", "rp"},
      {"{{list|slice(0, -1)|join('+')}}", "p+q"},
      {"{{[label, 'x', 5]}}", "['1', 'x', 5]"},
      {"{{list|upper|join('')}}", "PQR"},
      {"{{list|letters|join('')}}", "ABC"},
      {"{{1|pick(list)}}", "q"},
      {"{{none|or('empty')}}", "empty"},
      {"{{math|boxed}}", "4"},
      {"{{'The answer is 12.'|find('answer is ([0-9]+)')}}", "12"},
      {"{{'a b'|sub('(a) (b)', '\\2 \\1')}}", "b a"},
      {"{{'one\\ntwo'|before('\\n')}}", "one"},
      {"{{'a\\rb'|replace('\\r', '-')}}", "a-b"},
      {"{{'aé€'|slice(1, 3)}}", "é€"},
      {"{{'Big'|lower_first}}", "big"},
      {"{{list|size}}", "3"},
      {"no expression", "no expression"},
      {"", ""},
  };
  for (const auto& [text, want] : cases) EXPECT_EQ(text_of(text), want) << text;
}

TEST(Expression, SaysWhatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"{{question.stam}}", "stam: no such member; there are: stem, choices"},
      {"{{list[3]}}", "[3]: the array has 3 elements"},
      {"{{n|strip}}", "strip: expected a text or a list of texts, found the number 3"},
      {"{{n.x}}", "x: expected an object"},
      {"{{'z'|index(list)}}", "index: expected one of ['p', 'q', 'r'], found"},
      {"{{spaced|int}}", "int: expected an integer"},
      {"{{list|stirp}}", "no function \"stirp\" (did you mean strip?)"},
      {"{{list|join}}", "join takes 1 arguments, found 0"},
      {"{{list", "{{ without }}"},
      {"{{list[x]}}", "expected an integer and ]"},
      {"{{'open}}", "a text does not end"},
      {"{{a b}}", "unexpected text at byte 2"},
      {"{{}}", "expected a name"},
  };
  for (const auto& [text, want] : cases) EXPECT_THAT(text_of(text), HasSubstr(want)) << text;
}

TEST(Expression, OfOneAloneItsValueIsMeant) {
  const Template made = value_or_throw(Template::parse("{{n}}"));
  EXPECT_EQ(value_or_throw(made.value(document())).as_integer(), 3);
  EXPECT_TRUE(
      value_or_throw(value_or_throw(Template::parse("n{{n}}")).value(document())).is_string());
}

TEST(Expression, DeepNestingIsRefused) {
  const std::string deep(1000, '[');
  EXPECT_THAT(text_of("{{" + deep + "}}"), HasSubstr("nested too deeply"));
}

}  // namespace
}  // namespace fathom::eval
