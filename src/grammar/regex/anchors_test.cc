#include "grammar/regex/anchors.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "grammar/regex/parse_regex.h"

namespace fathom::grammar {
namespace {

class Anchors : public ::testing::Test {
 protected:
  Regex parsed(const std::string& pattern) {
    return value_or_throw(parse_regex(arena_, pattern, Spelling::kUtf8));
  }
  bool finds(const std::string& pattern, const std::string& text) {
    const Regex any = any_text(arena_, Spelling::kUtf8);
    return arena_.matches(found_in(arena_, parsed(pattern), any), text);
  }
  bool is(const std::string& pattern, const std::string& text) {
    return arena_.matches(whole_text(arena_, parsed(pattern)), text);
  }
  RegexArena arena_;
};

TEST_F(Anchors, APatternIsFoundAnywhereUnlessAnchored) {
  EXPECT_TRUE(finds("b", "abc"));
  EXPECT_TRUE(finds("", ""));
  EXPECT_TRUE(finds("^ab", "abc"));
  EXPECT_FALSE(finds("^b", "abc"));
  EXPECT_TRUE(finds("bc$", "abc"));
  EXPECT_FALSE(finds("b$", "abc"));
  EXPECT_TRUE(finds("^$", ""));
  EXPECT_FALSE(finds("^$", "a"));
  EXPECT_TRUE(finds("^a$|b", "ab"));
  EXPECT_FALSE(finds("^a$|^b$", "ab"));
  EXPECT_FALSE(finds("^a$", "a\n"));  // no flag m, and $ is the very end
}

TEST_F(Anchors, HoldWhereverTheyStand) {
  EXPECT_TRUE(finds("^^a$$", "a"));
  EXPECT_TRUE(finds("^b*^a", "a"));  // nothing need be between the two
  EXPECT_FALSE(finds("^b*^a", "ba"));
  EXPECT_TRUE(finds("a$b*$", "a"));
  EXPECT_FALSE(finds("a$b*$", "ab"));
  EXPECT_TRUE(finds("$^", ""));
  EXPECT_FALSE(finds("$^", "a"));
  EXPECT_TRUE(finds("(^|,)x($|,)", "a,x"));
  EXPECT_TRUE(finds("(^|,)x($|,)", "x,b"));
  EXPECT_FALSE(finds("(^|,)x($|,)", "ax"));
  EXPECT_TRUE(finds("(^a|b)+$", "abb"));
  EXPECT_FALSE(finds("^(^a|b)+$", "aba"));
  EXPECT_TRUE(finds("(?:^){3}a", "a"));
  EXPECT_TRUE(finds("(?:a|$){3}c*$", "a"));
  EXPECT_TRUE(finds("^(?:a$|$){2}", ""));
  EXPECT_FALSE(finds("a^b", "ab"));
  EXPECT_FALSE(finds("a$b", "ab"));
}

TEST_F(Anchors, AWholeTextNeedsNone) {
  EXPECT_TRUE(is("a|bc", "bc"));
  EXPECT_FALSE(is("a|bc", "abc"));
  EXPECT_TRUE(is("^a|bc$", "bc"));
  EXPECT_TRUE(is("^$", ""));
  EXPECT_FALSE(is("a^b", "ab"));
  EXPECT_TRUE(is("(?:^a|b)*", "abb"));
  EXPECT_FALSE(is("(?:^a|b)*", "ba"));
}

TEST_F(Anchors, APatternAsLongAsAllowedIsResolved) {
  const std::string letters(kMaxRegexBytes - 2, 'a');
  EXPECT_TRUE(is("^" + letters + "$", letters));
  std::string optional;
  for (int i = 0; i < 300; ++i) optional += "a?";
  EXPECT_TRUE(is(optional, "aaa"));
  std::string nested = "a";
  for (int i = 0; i < 190; ++i) nested = "(?:" + nested + "$|b)";
  EXPECT_TRUE(finds(nested, "a"));
}

}  // namespace
}  // namespace fathom::grammar
