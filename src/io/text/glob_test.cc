#include "io/text/glob.h"

#include <gtest/gtest.h>

namespace fathom::io {
namespace {

TEST(Glob, MatchesOneComponent) {
  const struct {
    std::string_view pattern, name;
    bool matches;
  } kCases[] = {
      {"a", "a", true},
      {"a", "b", false},
      {"", "", true},
      {"*", "", true},
      {"*", "abc", true},
      {"*.txt", "a.txt", true},
      {"*.txt", "a.txt.gz", false},
      {"a*b*c", "aXbYbZc", true},
      {"a*b*c", "aXbYbZ", false},
      {"?", "x", true},
      {"?", "", false},
      {"a?c", "abc", true},
      {"[abc]", "b", true},
      {"[abc]", "d", false},
      {"[a-c]x", "bx", true},
      {"[!a-c]", "d", true},
      {"[!a-c]", "b", false},
      {"[]]", "]", true},
      {"[a-]", "-", true},
      {"[", "[", true},
      {"[ab", "[ab", true},
      {"*", ".hidden", false},
      {".*", ".hidden", true},
      {"a[0-9]*.md", "a7b.md", true},
      {"**", "x", true},
      {"*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
  };
  for (const auto& each : kCases) {
    EXPECT_EQ(matches_component(each.pattern, each.name), each.matches)
        << each.pattern << " against " << each.name;
  }
}

}  // namespace
}  // namespace fathom::io
