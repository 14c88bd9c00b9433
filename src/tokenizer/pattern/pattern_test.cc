#include "tokenizer/pattern/pattern.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tokenizer/pattern/matcher.h"

namespace fathom::tokenizer {
namespace {

using ::testing::HasSubstr;

std::string refusal(std::string_view text) {
  const Result<Pattern> pattern = parse_pattern(text);
  return pattern ? "accepted" : pattern.error().message();
}

CodePointSet only_set(std::string_view text) {
  const Pattern pattern = value_or_throw(parse_pattern(text));
  EXPECT_EQ(pattern.size(), 1u);
  return pattern.at(0).set;
}

TEST(Pattern, ClassesBecomeSets) {
  EXPECT_EQ(only_set("[a-c]"), CodePointSet::of(U"abc"));
  EXPECT_EQ(only_set("[-ab]"), CodePointSet::of(U"-ab"));
  EXPECT_EQ(only_set("[ab-]"), CodePointSet::of(U"-ab"));
  EXPECT_EQ(only_set(R"([\[\]\\^])"), CodePointSet::of(U"[]\\^"));
  EXPECT_EQ(only_set(R"([^\n])"), only_set("."));
  EXPECT_EQ(only_set("[一-三]"), CodePointSet({{0x4E00, 0x4E09}}));
  EXPECT_EQ(only_set(R"([\x{4E00}-\u4e09])"), CodePointSet({{0x4E00, 0x4E09}}));
  EXPECT_EQ(only_set("[a-f&&[^b-d]]"), CodePointSet::of(U"aef"));
  EXPECT_EQ(only_set("[^a-f&&[b-d]]").complement(), CodePointSet::of(U"bcd"));
  EXPECT_EQ(only_set("[a[b-c]]"), CodePointSet::of(U"abc"));
  EXPECT_EQ(only_set(R"([\s\S])").complement(), CodePointSet());
  EXPECT_EQ(only_set(R"(\h)"), CodePointSet::of(U"0123456789abcdefABCDEF"));  // not PCRE2's \h
  EXPECT_EQ(only_set(R"(\p{^L})"), only_set(R"(\P{L})"));
}

TEST(Pattern, TextForPcre2IsExplicit) {
  const auto text = [](std::string_view pattern) {
    return pcre2_text(value_or_throw(parse_pattern(pattern)));
  };
  EXPECT_EQ(text("[a-c]?(?i:'s|x{,3})$"), R"([\x{61}-\x{63}]{0,1}(?i:\x{27}\x{73}|\x{78}{0,3})$)");
  EXPECT_EQ(text("(ab)*+c+?"), R"((?:\x{61}\x{62}){0,}+\x{63}{1,}?)");
}

TEST(Pattern, WhatIsNotHandledIsRefusedByNameAndPlace) {
  EXPECT_THAT(refusal(R"(a\w)"), HasSubstr(R"(this escape at byte 1 ("\w"))"));
  EXPECT_THAT(refusal(R"(\p{Klingon})"), HasSubstr("this Unicode property at byte 0"));
  EXPECT_THAT(refusal("(?P<x>a)"), HasSubstr("this kind of group at byte 0"));
  EXPECT_THAT(refusal("[[:alpha:]]"), HasSubstr("a POSIX bracket at byte 1"));
  EXPECT_THAT(refusal("[a"), HasSubstr("a class without its ] at byte 0"));
  EXPECT_THAT(refusal("[]a]"), HasSubstr("a class that begins with ]"));
  EXPECT_THAT(refusal("[z-a]"), HasSubstr("this range"));
  EXPECT_THAT(refusal(R"([\d-x])"), HasSubstr("this range"));
  EXPECT_THAT(refusal("*a"), HasSubstr("a quantifier with nothing to repeat"));
  EXPECT_THAT(refusal("a{2}+"), HasSubstr("a quantifier after a quantifier"));
  EXPECT_THAT(refusal("a{70000}"), HasSubstr("this quantifier"));
  EXPECT_THAT(refusal("a{3,2}"), HasSubstr("this quantifier"));
  EXPECT_THAT(refusal(R"(\xFF)"), HasSubstr("this escape"));
  EXPECT_THAT(refusal(R"(\x{D800})"), HasSubstr("this escape"));
  EXPECT_THAT(refusal("a\\"), HasSubstr("a backslash at the end"));
  EXPECT_THAT(refusal(""), HasSubstr("an empty pattern"));
  EXPECT_THAT(refusal(std::string(100'000, 'a')), HasSubstr("the limit is 16384"));
  EXPECT_THAT(refusal(std::string(1000, '[')), HasSubstr("classes nested this deep"));
}

TEST(Pattern, Pcre2RefusesWhatItCannotRunSafely) {
  const auto compile = [](std::string_view text) {
    const auto matcher = pcre2_matcher(value_or_throw(parse_pattern(text)));
    return matcher ? "accepted" : matcher.error().message();
  };
  EXPECT_EQ(compile("a|bc+"), "accepted");
  EXPECT_THAT(compile("a*"), HasSubstr("can match nothing"));
  EXPECT_THAT(compile("(a"), HasSubstr("does not compile"));
  EXPECT_THAT(compile("(?<=a+)b"), HasSubstr("does not compile"));  // unbounded look-behind
  std::string large;
  while (large.size() < 16'000) large += R"(\p{L})";
  EXPECT_THAT(compile(large), HasSubstr("too large"));
}

}  // namespace
}  // namespace fathom::tokenizer
