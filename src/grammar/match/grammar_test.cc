#include "grammar/match/grammar.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "grammar/match/test_json_rules.h"
#include "grammar/rules/test_random_grammar.h"

namespace fathom::grammar {
namespace {

/// All tokens of up to three letters of "abc", one of them twice, one empty.
std::shared_ptr<const Vocabulary> abc_vocabulary() {
  std::vector<std::string> tokens{"", "b"};
  std::vector<std::string> last{""};
  for (size_t length = 1; length <= 3; ++length) {
    std::vector<std::string> longer;
    for (const std::string& token : last) {
      for (const char byte : std::string("abc")) longer.push_back(token + byte);
    }
    tokens.insert(tokens.end(), longer.begin(), longer.end());
    last = longer;
  }
  return std::make_shared<const Vocabulary>(std::move(tokens));
}

struct Compiled {
  std::shared_ptr<const Grammar> grammar;
  std::shared_ptr<const Vocabulary> vocabulary;
};

bool accepts(const Compiled& compiled, std::string_view text) {
  TokenMasks& masks = *compiled.grammar->masks(compiled.vocabulary);
  const auto state = masks.next(masks.start(), text);
  return state != Automaton::kDead && masks.accepting(state);
}

std::optional<Compiled> compile(const TestGrammar& test) {
  RuleArena rules;
  const Expr root = test.build(rules);
  EXPECT_TRUE(rules.finish());
  if (!rules.can_match(root)) return std::nullopt;
  return Compiled{std::make_shared<const Grammar>(std::move(rules), root, Budget{}),
                  abc_vocabulary()};
}

TEST(Grammar, RandomGrammarsMatchJustTheirTexts) {
  i64 matched = 0, empty = 0;
  for (u64 seed = 0; seed < 300; ++seed) {
    TestGrammar test(seed);
    const auto compiled = compile(test);
    empty += compiled ? 0 : 1;
    for (size_t i = 0; i < 60; ++i) {
      const std::string text = test.text(i / 6);
      const bool expected = test.matches(text);
      if (!compiled) {
        EXPECT_FALSE(expected) << seed << " " << text;
        continue;
      }
      EXPECT_EQ(accepts(*compiled, text), expected) << seed << " " << text;
      matched += expected ? 1 : 0;
    }
  }
  EXPECT_GT(matched, 500);
  EXPECT_GT(empty, 5);
}

// A walk by tokens: a mask names just the tokens that accept() takes, never none before the text
// may end, and every walk can be brought to an end.
TEST(Grammar, RandomWalksNeverGetStuck) {
  for (u64 seed = 0; seed < 200; ++seed) {
    TestGrammar test(seed);
    const auto compiled = compile(test);
    if (!compiled) continue;
    Matcher matcher(compiled->grammar, compiled->vocabulary);
    std::string text;
    for (i64 step = 0; step < 12; ++step) {
      const std::span<const u32> span = matcher.allowed();
      const TokenSet allowed(span.begin(), span.end());
      std::vector<i32> ids;
      for (i32 id = 0; id < compiled->vocabulary->size(); ++id) {
        const bool taken = matcher.accept(id);
        EXPECT_EQ(has_token(allowed, id), taken) << seed << " \"" << text << "\" + " << id;
        if (!taken) continue;
        matcher.roll_back(1);
        ids.push_back(id);
      }
      EXPECT_EQ(matcher.may_end(), test.matches(text)) << seed << " " << text;
      EXPECT_EQ(ids.empty() && matcher.may_end(), matcher.must_end());
      if (ids.empty()) {
        EXPECT_TRUE(matcher.may_end()) << seed << " " << text;
        break;
      }
      const i32 id = ids[test.below(static_cast<u32>(ids.size()))];
      ASSERT_TRUE(matcher.accept(id));
      text += compiled->vocabulary->bytes(id);
    }
  }
}

TEST(Grammar, ForcedBytesAreThoseThatMustCome) {
  RuleArena rules;
  const Expr root =
      rules.sequence({rules.literal("ab"), rules.choice(rules.literal("ca"), rules.literal("cb")),
                      rules.optional(rules.literal("c"))});
  ASSERT_TRUE(rules.finish());
  const auto grammar = std::make_shared<const Grammar>(std::move(rules), root, Budget{});
  const auto vocabulary = abc_vocabulary();
  Matcher matcher(grammar, vocabulary);
  EXPECT_EQ(matcher.forced_bytes(100), "abc");
  EXPECT_EQ(matcher.forced_bytes(2), "ab");
  const auto accept = [&](std::string_view bytes) {
    for (i32 id = 0; id < vocabulary->size(); ++id) {
      if (vocabulary->bytes(id) == bytes) return matcher.accept(id);
    }
    return false;
  };
  ASSERT_TRUE(accept("abc") && accept("a"));
  EXPECT_EQ(matcher.forced_bytes(100), "");  // it may end, or go on with a c
  EXPECT_FALSE(matcher.must_end());
  ASSERT_TRUE(accept("c"));
  EXPECT_TRUE(matcher.must_end());
  matcher.roll_back(3);
  EXPECT_EQ(matcher.forced_bytes(100), "abc");
}

TEST(Grammar, AJsonValueByHand) {
  RuleArena rules;
  const Expr root = json_by_hand(rules);
  ASSERT_TRUE(rules.finish());
  std::vector<std::string> bytes;
  for (u32 byte = 0; byte < 256; ++byte) bytes.push_back(std::string(1, static_cast<char>(byte)));
  const Compiled json{std::make_shared<const Grammar>(std::move(rules), root, Budget{}),
                      std::make_shared<const Vocabulary>(std::move(bytes))};
  for (const char* text :
       {"{}", "[]", "-0.5e+7", "\"\\u00e9\\\\ \\ud83d\\ude00 \xC3\xA9\"",
        "{\"a\": [1, {\"b\":null}, true ] , \"c\" :{ } }", "[[[[[[[[[[[[]]]]]]]]]]]]"}) {
    EXPECT_TRUE(accepts(json, text)) << text;
  }
  for (const char* text : {"", "{", "[1,]", "01", "1.", "\"\n\"", "\"\\ud83d\"", "\"\xC3\"",
                           "{\"a\":}", "{a:1}", " 1", "1 ", "nul", "[1 2]", "[[]"}) {
    EXPECT_FALSE(accepts(json, text)) << text;
  }
  EXPECT_TRUE(accepts(json, "[" + std::string(64, ' ') + "]"));
  EXPECT_FALSE(accepts(json, "[" + std::string(200, ' ') + "]"));
}

TEST(Grammar, AStringLimitedInLengthTakesTheTokensThatFit) {
  RuleArena rules;
  RegexArena& regexes = rules.regexes();
  const Regex character = one_of(regexes, all_characters(), Spelling::kJson);
  const Regex quote = regexes.literal("\"");
  const Expr root = rules.regex(regexes.concat({quote, regexes.repeat(character, 0, 12), quote}));
  ASSERT_TRUE(rules.finish());
  std::vector<std::string> tokens;
  for (size_t length = 1; length <= 30; ++length) {
    tokens.push_back(std::string(length, 'x'));
    std::string wide;
    for (size_t i = 0; i < length; ++i) wide += "\xE2\x82\xAC";
    tokens.push_back(wide);
  }
  tokens.insert(tokens.end(), {"\"", "x\"", "\\", "\\n", "\xE2", "\xE2\x82", "\x82"});
  const auto vocabulary = std::make_shared<const Vocabulary>(tokens);
  Matcher matcher(std::make_shared<const Grammar>(std::move(rules), root, Budget{}), vocabulary);
  ASSERT_TRUE(matcher.accept(60));  // the quote
  for (i64 said = 0; said <= 12; ++said) {
    const std::span<const u32> allowed = matcher.allowed();
    for (i32 id = 0; id < 60; ++id) {
      EXPECT_EQ(has_token(allowed, id), id / 2 + 1 <= 12 - said) << said << " " << id;
    }
    EXPECT_TRUE(has_token(allowed, 60));
    EXPECT_EQ(has_token(allowed, 63), said < 12);
    EXPECT_FALSE(has_token(allowed, 66));
    EXPECT_EQ(matcher.accept(0), said < 12);
  }
}

}  // namespace
}  // namespace fathom::grammar
