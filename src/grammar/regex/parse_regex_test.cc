#include "grammar/regex/parse_regex.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "grammar/regex/anchors.h"
#include "tokenizer/unicode/unicode.h"
#include "tokenizer/unicode/utf8.h"

namespace fathom::grammar {
namespace {

using ::testing::HasSubstr;

bool whole(const std::string& pattern, std::string_view text, Spelling spelling = Spelling::kUtf8) {
  RegexArena arena;
  const Result<Regex> regex = parse_regex(arena, pattern, spelling);
  if (!regex) ADD_FAILURE() << pattern << ": " << regex.error().message();
  return regex && arena.matches(whole_text(arena, *regex), text);
}

std::string error_of(const std::string& pattern, ErrorCode code) {
  RegexArena arena;
  const Result<Regex> regex = texts_with(arena, pattern, Spelling::kUtf8);
  if (regex) return "no error";
  EXPECT_EQ(regex.error().code(), code) << pattern;
  return regex.error().message();
}

TEST(ParseRegex, Quantifiers) {
  EXPECT_TRUE(whole("ab*c", "abbc"));
  EXPECT_FALSE(whole("ab+c", "ac"));
  EXPECT_TRUE(whole("ab?c", "ac"));
  EXPECT_TRUE(whole("a{3}", "aaa"));
  EXPECT_FALSE(whole("a{3}", "aaaa"));
  EXPECT_TRUE(whole("a{2,}", "aaaa"));
  EXPECT_TRUE(whole("a{0,2}b", "b"));
  EXPECT_FALSE(whole("a{2,3}", "aaaa"));
  EXPECT_TRUE(whole("a+?b*?c??d{1,2}?", "aabdd"));
  EXPECT_TRUE(whole("(?:a{2}){3}", "aaaaaa"));
  EXPECT_TRUE(whole("a{10000}", std::string(10'000, 'a')));
}

TEST(ParseRegex, GroupsAndAlternatives) {
  EXPECT_TRUE(whole("(a|b)(?:c|)(?<name>d)", "bd"));
  EXPECT_TRUE(whole("", ""));
  EXPECT_TRUE(whole("()|x", ""));
  EXPECT_TRUE(whole("a||b", ""));
  EXPECT_FALSE(whole("a|b", "ab"));
}

TEST(ParseRegex, Escapes) {
  EXPECT_TRUE(whole(R"(\d\D\w\W\s\S)", "1a_- x"));
  EXPECT_FALSE(whole(R"(\d)", "\u0661"));  // digits of ECMA-262 are 0 to 9
  EXPECT_FALSE(whole(R"(\w)", "é"));
  EXPECT_TRUE(whole(R"(\s+)", "\t\n\v\f\r \u00A0\u1680\u2003\u2028\u2029\u3000\uFEFF"));
  EXPECT_FALSE(whole(R"(\s)", "\u0085"));
  EXPECT_TRUE(whole(R"(\t\n\v\f\r\cJ\x41\u00e9\u{1F600}\ud83d\ude00)", "\t\n\v\f\r\nAé😀😀"));
  EXPECT_TRUE(whole(std::string(R"(\0)"), std::string_view("\0", 1)));
  EXPECT_TRUE(whole(R"(\^\$\\\.\*\+\?\(\)\[\]\{\}\|\/)", "^$\\.*+?()[]{}|/"));
  EXPECT_TRUE(whole(R"(.)", "😀"));
  EXPECT_FALSE(whole(R"(.)", "\n"));
  EXPECT_FALSE(whole(R"(.)", "\u2028"));
  EXPECT_TRUE(whole(R"(.)", "\u0085"));
}

TEST(ParseRegex, Classes) {
  EXPECT_TRUE(whole("[a-cx]+", "abcx"));
  EXPECT_FALSE(whole("[^a-c]", "b"));
  EXPECT_TRUE(whole("[^a-c]", "é"));
  EXPECT_TRUE(whole(R"([\d\-_.]+)", "1-_."));
  EXPECT_TRUE(whole("[a-]+", "a-"));
  EXPECT_TRUE(whole("[-a]+", "a-"));
  EXPECT_TRUE(whole(R"([\w-.]+)", "a-."));  // Annex B
  EXPECT_TRUE(whole(R"([!-\d]+)", "!-7"));
  EXPECT_TRUE(whole(R"([\b])", "\b"));
  EXPECT_TRUE(whole("[^]", "\n"));
  EXPECT_FALSE(whole("[]", "x"));
  EXPECT_FALSE(whole("[]]", "]"));  // an empty class and a ]
  EXPECT_TRUE(whole(R"([\]\[]+)", "[]"));
  EXPECT_TRUE(whole(R"([\ud83d\ude00-\ud83d\ude02])", "\U0001F601"));
  EXPECT_TRUE(whole(R"([^\ud800-\udfff])", "a"));
  EXPECT_TRUE(whole("[é-ü]", "ö"));
  EXPECT_TRUE(whole("[[:alpha:]]", "a]"));  // a class of [ : a l p h, and a ]
}

TEST(ParseRegex, WhatOnlyAnnexBAllows) {
  EXPECT_TRUE(whole(R"(\-\_\@\:\'\ \%\"\,\<)", "-_@:' %\",<"));
  EXPECT_TRUE(whole("a{", "a{"));
  EXPECT_TRUE(whole("{name}", "{name}"));
  EXPECT_TRUE(whole("a{,5}", "a{,5}"));
  EXPECT_TRUE(whole("a{1", "a{1"));
  EXPECT_TRUE(whole("a]}", "a]}"));
  EXPECT_TRUE(whole("x{a}{2}", "x{a}}"));
}

TEST(ParseRegex, Properties) {
  EXPECT_TRUE(
      whole(R"(\p{Lu}\p{Letter}\p{gc=Nd}\P{L}\p{General_Category=Uppercase_Letter})", "Aé1-B"));
  EXPECT_TRUE(whole(R"([\p{L}\p{Script=Han}]+)", "aé漢"));
  EXPECT_TRUE(whole(R"(\p{sc=Hiragana}\p{Katakana})", "あア"));
  EXPECT_TRUE(whole(R"(\p{ASCII}\p{Any}\P{ASCII}\p{LC})", "a漢éa"));
  EXPECT_THAT(
      error_of(R"(\p{Script=Greek})", ErrorCode::kUnsupported),
      HasSubstr(R"re(this Unicode property at byte 0 ("\p{Script=Gr") is not supported)re"));
  EXPECT_THAT(error_of(R"(\p{gc=Han})", ErrorCode::kUnsupported), HasSubstr("Unicode property"));
  EXPECT_THAT(error_of(R"(\p{Lu)", ErrorCode::kInvalidInput), HasSubstr("\\p{Name}"));
  EXPECT_THAT(error_of(R"(\pL)", ErrorCode::kInvalidInput), HasSubstr("\\p{Name}"));
}

TEST(ParseRegex, RefusesByNameWhatItDoesNotTake) {
  const std::pair<const char*, const char*> kRefused[] = {
      {"a(?=b)",
       R"re(a look-ahead elsewhere than right behind a leading ^ at byte 1 ("(?=b)") is not supported)re"},
      {"(?!b)", "a look-ahead elsewhere than right behind a leading ^ at byte 0"},
      {"^a(?!b)", "a look-ahead elsewhere"},
      {"(^(?!b))", "a look-ahead elsewhere than right behind a leading ^ at byte 2"},
      {"^(?!a)(?!b)*", "a repeated look-ahead at byte 11"},
      {"^((?!a)bc)*$", "a look-ahead elsewhere"},
      {"^((?!a).)*b$", "a look-ahead elsewhere"},
      {"^((?=a).)*$", "a look-ahead elsewhere"},
      {"^((?!$).)*$", "a look-ahead elsewhere"},
      {"^((?!a)*)*$", "a repeated look-ahead"},
      {"é(?<=b)", "a look-behind at byte 2"},
      {"(?<!b)", "a look-behind"},
      {"(?>b)", "an atomic group"},
      {"(?i)b", "a group with flags"},
      {"(?P<n>b)", "a group with flags"},
      {"(a)\\1", "a back-reference at byte 3"},
      {"(?<n>a)\\k<n>", "a back-reference"},
      {"a\\b", "a word boundary at byte 1"},
      {"\\Ba", "a word boundary"},
      {"a++", R"re(a possessive quantifier at byte 2 ("+") is not supported)re"},
      {"\\A", "this escape at byte 0"},
      {"a\\Z", "this escape at byte 1"},
      {"\\01", "an octal escape"},
      {"[\\1]", "an octal escape"},
      {"a{10001}", "a repetition of more than 10000 times at byte 1"},
      {"a{2,99999999999999999999}", "a repetition of more than 10000 times"},
      {"\\ud83d", "half of a surrogate pair"},
      {"\\u{dc00}", "half of a surrogate pair"},
      {"[\\ud800-\\udbff][\\udc00-\\udfff]", "halves of surrogate pairs"}};
  for (const auto& [pattern, message] : kRefused) {
    EXPECT_THAT(error_of(pattern, ErrorCode::kUnsupported), HasSubstr(message)) << pattern;
  }
}

TEST(ParseRegex, RejectsWhatIsNoPattern) {
  const std::pair<const char*, const char*> kRejected[] = {
      {"a(b", R"re(a ( without its ) at byte 1 ("(b"))re"},
      {"^(?!b", "a ( without its ) at byte 1"},
      {"^((?!b", "a ( without its )"},
      {"a)b", R"re(a ) without its ( at byte 1 (")b"))re"},
      {"[a", "a class without its ] at byte 0"},
      {"[a-", "a class without its ]"},
      {"[\\", "a backslash with nothing behind it"},
      {"a\\", "a backslash with nothing behind it at byte 1"},
      {"*a", "a quantifier with nothing to repeat at byte 0"},
      {"a|+", "nothing to repeat at byte 2"},
      {"(?:?)", "nothing to repeat"},
      {"{2}", "nothing to repeat"},
      {"a**", "nothing to repeat at byte 2"},
      {"a{2}{3}", "nothing to repeat"},
      {"^*", "nothing to repeat"},
      {"a{3,2}", "bounds are in the wrong order at byte 1"},
      {"[b-a]", "ends are in the wrong order at byte 1"},
      {"\\x4", "two hexadecimal digits"},
      {"\\u12g4", "four hexadecimal digits"},
      {"\\u{110000}", "names no character"},
      {"\\u{", "names no character"},
      {"\\u{41", "names no character"},
      {"\\u{}", "names no character"},
      {"\\c1", "a \\c without a letter"},
      {"(?<>a)", "(?<name>"},
      {"\xFF", "byte 0 of the pattern is not valid UTF-8"}};
  for (const auto& [pattern, message] : kRejected) {
    EXPECT_THAT(error_of(pattern, ErrorCode::kInvalidInput), HasSubstr(message)) << pattern;
  }
}

TEST(ParseRegex, HostilePatternsAreRefusedOrSmall) {
  EXPECT_THAT(error_of(std::string(kMaxRegexBytes + 1, 'a'), ErrorCode::kUnsupported),
              HasSubstr("the limit is 65536"));
  EXPECT_THAT(error_of(std::string(5000, '('), ErrorCode::kUnsupported),
              HasSubstr("a group nested this deep at byte 201"));
  RegexArena arena;
  std::string nested = "a";
  for (int i = 0; i < 60; ++i) nested = "(?:" + nested + "){10000}";
  EXPECT_TRUE(parse_regex(arena, nested, Spelling::kJson).has_value());
  EXPECT_LT(arena.num_nodes(), 1000);
}

TEST(ParseRegex, LookAheadsThatAreConditionsOfTheWholeText) {
  RegexArena arena;
  const auto finds = [&](const char* pattern, const char* text) {
    return arena.matches(value_or_throw(texts_with(arena, pattern, Spelling::kJson)), text);
  };
  EXPECT_TRUE(finds("^(?!ab)a", "ax"));
  EXPECT_FALSE(finds("^(?!ab)a", R"(\u0061b)"));
  EXPECT_FALSE(finds("^(?!ab)a", R"(a\u0062)"));
  EXPECT_TRUE(finds("^(?=.*c)a|^b", "b"));
  EXPECT_FALSE(finds("^(?=.*c)a|^b", "a"));
  EXPECT_FALSE(finds("^((?!ab).)*$", R"(x\u0061bx)"));
  EXPECT_TRUE(finds("^((?!ab).)*$", "xa b"));
  EXPECT_TRUE(finds("^((?!ab).)*$", ""));
  const Regex whole = value_or_throw(whole_texts(arena, "^(?!b)[abc]|^d", Spelling::kUtf8));
  EXPECT_TRUE(arena.matches(whole, "a"));
  EXPECT_TRUE(arena.matches(whole, "d"));
  EXPECT_FALSE(arena.matches(whole, "b"));
  EXPECT_FALSE(arena.matches(whole, "ac"));
  EXPECT_THAT(parse_regex(arena, "^(?!b)a", Spelling::kUtf8).error().message(),
              HasSubstr("a look-ahead is not supported here"));
}

TEST(ParseRegex, JsonSpellsTheSameCharactersInEveryWay) {
  EXPECT_TRUE(whole(R"(^a\"\\.\n$)", R"(a\"\\x\n)", Spelling::kJson));
  EXPECT_TRUE(whole(R"(^a\"\\.\n$)", R"(\u0061\u0022\u005c\ud83d\ude00\u000A)", Spelling::kJson));
  EXPECT_FALSE(whole(R"(^a\"$)", "a\"", Spelling::kJson));
  EXPECT_FALSE(whole("^[^a]$", R"(\u0061)", Spelling::kJson));
  EXPECT_TRUE(whole("^/$", R"(\/)", Spelling::kJson));
}

}  // namespace
}  // namespace fathom::grammar
