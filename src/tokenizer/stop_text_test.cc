#include "tokenizer/stop_text.h"

#include <gtest/gtest.h>

namespace fathom::tokenizer {
namespace {

/// Feeds `text` cut at the set bits of `cuts`.
std::string filtered(const std::string& text, unsigned cuts, std::vector<std::string> stops) {
  StopTextFilter filter(std::move(stops));
  std::string out, piece;
  for (size_t i = 0; i < text.size(); ++i) {
    piece += text[i];
    if ((cuts >> i & 1u) != 0) {
      out += filter.push(piece);
      piece.clear();
    }
  }
  out += filter.push(piece);
  return out + filter.finish();
}

TEST(StopTextFilter, EveryWayOfCuttingGivesTheSameText) {
  struct Case {
    const char* text;
    std::vector<std::string> stops;
    const char* want;
  };
  const Case cases[] = {
      {"aab###cd", {"###"}, "aab"}, {"aa##b#ccc", {"###"}, "aa##b#ccc"},
      {"xababac", {"abac"}, "xab"}, {"hello END", {"END", "lo"}, "hel"},
      {"xabc", {"abc", "b"}, "xa"}, {"no stops", {}, "no stops"},
      {"xabc", {"bc", "abc"}, "x"}, {"tail##", {"###"}, "tail##"},
      {"empty", {""}, "empty"},
  };
  for (const Case& c : cases) {
    for (unsigned cuts = 0; cuts < 512; ++cuts) {
      ASSERT_EQ(filtered(c.text, cuts, c.stops), c.want) << c.text << " cut " << cuts;
    }
  }
}

TEST(StopTextFilter, HoldsBackOnlyWhatCouldBecomeAStop) {
  StopTextFilter filter({"other", "###"});
  EXPECT_EQ(filter.push("ab#"), "ab");
  EXPECT_EQ(filter.push("c"), "#c");
  EXPECT_EQ(filter.push("##"), "");
  EXPECT_EQ(filter.push("#"), "");
  EXPECT_TRUE(filter.stopped());
  EXPECT_EQ(filter.stop_text(), "###");
  EXPECT_EQ(filter.push("more"), "");
}

}  // namespace
}  // namespace fathom::tokenizer
