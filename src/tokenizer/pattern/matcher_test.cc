#include "tokenizer/pattern/matcher.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <typeinfo>
#include <vector>

#include "tokenizer/test_random_text.h"

namespace fathom::tokenizer {
namespace {

std::vector<Span> matches(const Matcher& matcher, std::string_view text) {
  std::vector<Span> found;
  matcher.for_each_match(text, [&](Span match) { found.push_back(match); });
  return found;
}

std::vector<std::string> texts(const Matcher& matcher, std::string_view text) {
  std::vector<std::string> found;
  for (const Span& m : matches(matcher, text)) {
    found.emplace_back(text.substr(m.begin, m.end - m.begin));
  }
  return found;
}

std::unique_ptr<Matcher> reference(std::string_view pattern) {
  return value_or_throw(pcre2_matcher(value_or_throw(parse_pattern(pattern))));
}

/// `matcher` finds in random text what PCRE2 finds for `pattern`.
void expect_matches_reference(const Matcher& matcher, std::string_view pattern) {
  const std::unique_ptr<Matcher> pcre2 = reference(pattern);
  RandomText random(7);
  for (int i = 0; i < 20'000; ++i) {
    const std::string text = random.text(i % 10 == 0 ? 60 : 12);
    ASSERT_EQ(texts(matcher, text), texts(*pcre2, text)) << pattern << "\nin \"" << text << '"';
  }
}

TEST(Matcher, DeepSeekV3WordsAgreeWithPcre2) {
  expect_matches_reference(*deepseek_v3_word_matcher(), kDeepSeekV3WordPattern);
}

TEST(Matcher, Llama3WordsAgreeWithPcre2) {
  expect_matches_reference(*llama3_matcher(), kLlama3Pattern);
}

TEST(Matcher, ClassRunsAgreeWithPcre2) {
  for (const char* pattern :
       {R"(\p{N}{1,3})", "[一-龥぀-ゟ゠-ヿ]+", R"([\r\n])", R"(\s?[A-Za-zµÀ-ÖØ-öø-ƺ]+)",
        R"(\s?[!-/:-~！-／：-～‘-‟　-。]+)", R"(\s+$)", "[一-龥ࠀ-一가-퟿]+", R"(\p{N})",
        R"([\p{L}\p{M}]?\p{L}{2,3})", R"([ a\n]+$)", R"(\S{3})", R"(.+)"}) {
    const Pattern parsed = value_or_throw(parse_pattern(pattern));
    const std::unique_ptr<Matcher> matcher = class_run_matcher(parsed);
    ASSERT_NE(matcher, nullptr) << pattern;
    expect_matches_reference(*matcher, pattern);
  }
}

TEST(Matcher, OtherShapesAreNotTakenForClassRuns) {
  for (const char* pattern :
       {"a?", "a+?", "a++", "a|b", "ab", "a?b?", " ?a+$", "(?:a)+", "a{20}"}) {
    EXPECT_EQ(class_run_matcher(value_or_throw(parse_pattern(pattern))), nullptr) << pattern;
  }
}

TEST(Matcher, TheSubtlePlacesOfTheV3Pattern) {
  const auto v3 = deepseek_v3_word_matcher();
  using Texts = std::vector<std::string>;
  EXPECT_EQ(texts(*v3, "don't"), (Texts{"don", "'t"}));      // ASCII punctuation takes letters
  EXPECT_EQ(texts(*v3, "x.été"), (Texts{"x", ".", "été"}));  // but ASCII letters only
  EXPECT_EQ(texts(*v3, "a  b"), (Texts{"a", " ", " b"}));
  EXPECT_EQ(texts(*v3, "a \n\n  b"), (Texts{"a", " \n\n", " ", " b"}));
  EXPECT_EQ(texts(*v3, "!?\r\n\n x"), (Texts{"!?\r\n\n", " x"}));
  EXPECT_EQ(texts(*v3, " ..  "), (Texts{" ..", "  "}));
  EXPECT_EQ(texts(*v3, "\u200dab"), (Texts{"\u200dab"}));  // any one character may lead a word
  EXPECT_EQ(texts(*v3, "\u0301\u0301a"), (Texts{"\u0301\u0301a"}));
  EXPECT_EQ(texts(*v3, "\x01\x02"), Texts{});  // and no rule takes these
}

TEST(Matcher, PatternsAreRecognisedHoweverTheirLineBreaksAreWritten) {
  std::string raw(kDeepSeekV3WordPattern);
  for (const auto& [spelled, character] : {std::pair(R"(\r)", "\r"), std::pair(R"(\n)", "\n")}) {
    for (size_t at = raw.find(spelled); at != std::string::npos; at = raw.find(spelled)) {
      raw.replace(at, 2, character);
    }
  }
  ASSERT_NE(raw, kDeepSeekV3WordPattern);
  const std::unique_ptr<Matcher> hand_written = deepseek_v3_word_matcher();
  const std::unique_ptr<Matcher> chosen = value_or_throw(matcher_for(raw));
  const Matcher &chosen_ref = *chosen, &hand_written_ref = *hand_written;
  EXPECT_EQ(typeid(chosen_ref), typeid(hand_written_ref));
  expect_matches_reference(*chosen, raw);
}

// Each run makes a naive matcher look again at everything before it. The bound is generous:
// quadratic work on a megabyte would take minutes.
TEST(Matcher, LongRunsTakeLinearTime) {
  constexpr size_t kBytes = 1 << 20;
  const auto begin = std::chrono::steady_clock::now();
  for (const char* pattern : {R"(\s+$)", R"(\s?[!-/:-~]+)", R"(\p{N}{1,3})"}) {
    const auto matcher = value_or_throw(matcher_for(pattern));
    matches(*matcher, std::string(kBytes, ' ') + "x");
    matches(*matcher, std::string(kBytes, '!') + "x");
  }
  for (const std::unique_ptr<Matcher>& matcher : {deepseek_v3_word_matcher(), llama3_matcher()}) {
    for (const char c : {' ', '\n', 'a', '.', '1'}) matches(*matcher, std::string(kBytes, c) + "x");
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  EXPECT_LT(seconds.count(), 20.0);
}

TEST(Matcher, RunawayBacktrackingIsAnErrorAndNoHang) {
  const auto matcher = reference("(?:a+)+b");
  // Without a "b" at all PCRE2 would not even start.
  EXPECT_THROW(matches(*matcher, std::string(64, 'a') + "cb"), Error);
}

}  // namespace
}  // namespace fathom::tokenizer
