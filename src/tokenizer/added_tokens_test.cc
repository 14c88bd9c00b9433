#include "tokenizer/added_tokens.h"

#include <gtest/gtest.h>

#include <string>

namespace fathom::tokenizer {
namespace {

/// Text segments as they are, tokens as "[id:text]".
std::string cut(std::vector<AddedToken> tokens, std::string_view text) {
  std::string result;
  AddedTokenMatcher(std::move(tokens)).split(text, [&](TextSegment segment) {
    if (segment.token_id < 0) {
      result += std::string(segment.text) + "|";
    } else {
      result += "[" + std::to_string(segment.token_id) + ":" + std::string(segment.text) + "]";
    }
  });
  return result;
}

TEST(AddedTokens, LeftmostThenLongest) {
  const std::vector<AddedToken> tokens = {{.id = 1, .content = "ab"},
                                          {.id = 2, .content = "abcd"},
                                          {.id = 3, .content = "bc"},
                                          {.id = 4, .content = "x"}};
  EXPECT_EQ(cut(tokens, "zabcde"), "z|[2:abcd]e|");
  EXPECT_EQ(cut(tokens, "abc"), "[1:ab]c|");
  EXPECT_EQ(cut(tokens, "bcx"), "[3:bc][4:x]");
  EXPECT_EQ(cut(tokens, "a"), "a|");
  EXPECT_EQ(cut(tokens, ""), "");
  EXPECT_EQ(cut({}, "ab"), "ab|");
}

TEST(AddedTokens, BytesAbove127SortAsBytes) {
  const std::vector<AddedToken> tokens = {
      {.id = 1, .content = "<｜User｜>"}, {.id = 2, .content = "<z>"}, {.id = 3, .content = "<é>"}};
  EXPECT_EQ(cut(tokens, "<z><é><｜User｜><｜User"), "[2:<z>][3:<é>][1:<｜User｜>]<｜User|");
}

TEST(AddedTokens, StripsSwallowWhiteSpace) {
  const std::vector<AddedToken> left = {{.id = 1, .content = "#", .lstrip = true}};
  EXPECT_EQ(cut(left, "a \u3000# #b"), "a|[1: \u3000#][1: #]b|");
  const std::vector<AddedToken> right = {{.id = 1, .content = "#", .rstrip = true}};
  EXPECT_EQ(cut(right, "a #  \n b"), "a |[1:#  \n ]b|");
  // White space between two that want it goes to the first.
  const std::vector<AddedToken> both = {{.id = 1, .content = "#", .rstrip = true},
                                        {.id = 2, .content = "@", .lstrip = true}};
  EXPECT_EQ(cut(both, "#  @"), "[1:#  ][2:@]");
}

TEST(AddedTokens, SingleWordsTouchNoWord) {
  const std::vector<AddedToken> tokens = {{.id = 1, .content = "it", .single_word = true}};
  EXPECT_EQ(cut(tokens, "it bit it's it"), "[1:it] bit |[1:it]'s |[1:it]");
  EXPECT_EQ(cut(tokens, "éit ité it_"), "éit ité it_|");
}

}  // namespace
}  // namespace fathom::tokenizer
