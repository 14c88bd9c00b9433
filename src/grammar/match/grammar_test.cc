#include "grammar/match/grammar.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "grammar/match/test_json_rules.h"
#include "grammar/rules/test_random_grammar.h"
#include "tokenizer/train/train_tokenizer.h"

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

// A string's masks are not looked up byte by byte where its expression tells what may follow. What
// it is limited by here: lengths, other characters, texts inside that are excluded, and all at
// once.
TEST(Grammar, MasksOfRandomStringsNameJustTheTokensThatMayCome) {
  std::vector<std::string> tokens{"\"",       "x\"",      "\\",       "\\n", "\xE0",
                                  "\xE0\xA4", "\xED\x9F", "\xF0\x9F", "\x82"};
  const std::array<std::string, 7> characters{
      "x", "y", "é", "\xE0\xA4\x85", "€", "\xED\x9F\xBF", "\xF0\x9F\x98\x80"};
  for (const std::string& character : characters) {
    std::string repeated;
    for (size_t length = 1; length <= 25; ++length) {
      repeated += character;
      if (length < 4 || length == 8 || length == 9 || length > 18) tokens.push_back(repeated);
      if (length < 4) tokens.push_back("x" + repeated + "y");
    }
  }
  for (u32 byte = 0; byte < 256; ++byte) tokens.emplace_back(1, static_cast<char>(byte));
  const auto vocabulary = std::make_shared<const Vocabulary>(tokens);
  for (u64 seed = 0; seed < 150; ++seed) {
    const Philox random(seed, 0);
    u64 drawn = 0;
    const auto below = [&](u32 limit) { return random.at(drawn++)[0] % limit; };
    RuleArena rules;
    RegexArena& regexes = rules.regexes();
    const auto any = [&](u32 min, u32 max) {
      return regexes.repeat(one_of(regexes, all_characters(), Spelling::kJson), min, max);
    };
    const auto text = [&] { return regexes.literal(characters[below(7)] + characters[below(7)]); };
    std::vector<Regex> parts{below(2) == 0 ? any(0, kUnbounded) : any(below(3), 2 + below(25))};
    while (below(3) != 0) {
      const u32 kind = below(5);
      Regex excluded = regexes.alternate(text(), regexes.literal("x"));
      if (kind == 1) excluded = regexes.concat({any(0, kUnbounded), text(), any(0, kUnbounded)});
      if (kind == 2) excluded = any(1 + below(4), 4);
      if (kind == 3) excluded = regexes.concat(text(), any(0, kUnbounded));
      if (kind == 4) {
        const auto few = tokenizer::CodePointSet({{0, 0x20AB}, {0x20AD, 0x10FFFF}});
        parts.push_back(regexes.repeat(one_of(regexes, few, Spelling::kJson), 0, kUnbounded));
      } else {
        parts.push_back(regexes.complement(excluded));
      }
    }
    const Regex quote = regexes.literal("\"");
    const Expr root = rules.regex(regexes.concat({quote, regexes.intersect(parts), quote}));
    ASSERT_TRUE(rules.finish());
    if (!rules.can_match(root)) continue;
    Matcher matcher(std::make_shared<const Grammar>(std::move(rules), root, Budget{}), vocabulary);
    ASSERT_TRUE(matcher.accept(0));
    for (i64 step = 0; step < 6 && !matcher.must_end(); ++step) {
      const std::span<const u32> span = matcher.allowed();
      const TokenSet allowed(span.begin(), span.end());
      std::vector<i32> ids;
      for (i32 id = 0; id < vocabulary->size(); ++id) {
        const bool taken = matcher.accept(id);
        ASSERT_EQ(has_token(allowed, id), taken)
            << seed << " step " << step << " " << tokens[static_cast<size_t>(id)];
        if (!taken) continue;
        matcher.roll_back(1);
        ids.push_back(id);
      }
      ASSERT_FALSE(ids.empty()) << seed;
      ASSERT_TRUE(matcher.accept(ids[below(static_cast<u32>(ids.size()))]));
    }
  }
}

TEST(Grammar, ATextThatCannotBeFinishedIsNotBegun) {
  RuleArena rules;
  RegexArena& regexes = rules.regexes();
  const Regex both = regexes.alternate(regexes.literal("ab"), regexes.literal("cc"));
  const Expr root = rules.regex(regexes.subtract(both, regexes.literal("ab")));
  ASSERT_TRUE(rules.finish());
  Matcher matcher(std::make_shared<const Grammar>(std::move(rules), root, Budget{}),
                  abc_vocabulary());
  EXPECT_EQ(matcher.forced_bytes(9), "cc");
  EXPECT_FALSE(matcher.accept(2)) << "an a, which only the excluded text begins with";
}

TEST(Grammar, WhatMatchingLearnsIsSharedUntilItIsTooMuch) {
  RuleArena rules;
  const Expr root = rules.repeat(rules.literal("ab"), 0, kUnbounded);
  ASSERT_TRUE(rules.finish());
  const Grammar grammar(rules, root, Budget{});
  const auto vocabulary = abc_vocabulary(), other = abc_vocabulary();
  const auto masks = grammar.masks(vocabulary);
  EXPECT_EQ(grammar.masks(vocabulary), masks);
  EXPECT_NE(grammar.masks(other), masks);
  EXPECT_EQ(&grammar.masks(other)->vocabulary(), other.get());
  Budget small;
  small.matching_bytes = 1;
  const Grammar forgetful(rules, root, small);
  const auto first = forgetful.masks(vocabulary);
  EXPECT_NE(forgetful.masks(vocabulary), first);
}

// A long text under a small allowance: the same masks, though what they were made with is forgotten
// on the way.
TEST(Grammar, ALongTextIsFollowedAgainWhenItTaughtTooMuch) {
  RuleArena rules;
  RegexArena& regexes = rules.regexes();
  const Rule list = rules.declare("list");
  const Expr item = rules.regex(
      regexes.concat(regexes.repeat(regexes.literal("b"), 0, 300), regexes.literal("a")));
  rules.define(list, rules.sequence({rules.literal("ca"),
                                     rules.repeat(rules.choice(item, rules.rule(list)), 0, 40),
                                     rules.literal("cb")}));
  const Expr root = rules.rule(list);
  ASSERT_TRUE(rules.finish());
  Budget small;
  small.matching_bytes = 60'000;
  const auto vocabulary = abc_vocabulary();
  const auto frugal = std::make_shared<const Grammar>(rules, root, small);
  Matcher plain(std::make_shared<const Grammar>(rules, root, Budget{}), vocabulary),
      forgetting(frugal, vocabulary);
  const auto before = frugal->masks(vocabulary);
  const Philox random(3, 0);
  for (u64 step = 0; step < 400; ++step) {
    const std::span<const u32> want = plain.allowed(), got = forgetting.allowed();
    ASSERT_TRUE(std::ranges::equal(want, got)) << step;
    std::vector<i32> ids;
    for (i32 id = 0; id < vocabulary->size(); ++id) {
      if (has_token(want, id)) ids.push_back(id);
    }
    ASSERT_FALSE(ids.empty());
    const i32 id = ids[random.at(step)[0] % ids.size()];
    ASSERT_TRUE(plain.accept(id) && forgetting.accept(id));
    const i64 back = plain.must_end() ? 1 : step % 7 == 6 ? 2 : 0;  // the text goes on
    plain.roll_back(back);
    forgetting.roll_back(back);
  }
  EXPECT_NE(frugal->masks(vocabulary), before);
}

TEST(Grammar, TooManyReadingsAreRefused) {
  Budget budget;
  budget.threads = 3;
  RuleArena rules(budget);
  std::vector<Expr> readings;
  for (u32 length = 1; length <= 5; ++length) {
    readings.push_back(rules.sequence(
        rules.repeat(rules.literal("a"), length, length),
        rules.regex(rules.regexes().star(rules.regexes().literal(std::string(length, 'a'))))));
  }
  const Expr root = rules.choice(readings);
  ASSERT_TRUE(rules.finish());
  Matcher matcher(std::make_shared<const Grammar>(std::move(rules), root, budget),
                  abc_vocabulary());
  EXPECT_THROW(static_cast<void>(matcher.accept(2) && matcher.accept(2) && matcher.accept(2) &&
                                 matcher.accept(2)),
               BudgetError);
}

// With single bytes as tokens: all of what must come but the last byte, behind which more might.
TEST(Grammar, ForcedTokensAreThoseOfTheTokenizerButForTheLast) {
  const tokenizer::Tokenizer tokenizer = std::move(tokenizer::byte_tokenizer().tokenizer);
  const auto vocabulary = std::make_shared<const Vocabulary>(tokenizer);
  RuleArena rules;
  RegexArena& regexes = rules.regexes();
  const Expr root = rules.regex(regexes.concat(
      {regexes.literal("abc"), regexes.alternate(regexes.literal("é"), regexes.literal("è")),
       regexes.literal("z"), regexes.optional(regexes.literal("y"))}));
  ASSERT_TRUE(rules.finish());
  Matcher matcher(std::make_shared<const Grammar>(std::move(rules), root, Budget{}), vocabulary);
  const std::string text = "abcéz";
  const std::vector<i32> ids = tokenizer.encode(text);
  ASSERT_EQ(ids.size(), text.size());
  // "abc" and the first byte of the two letters are forced; "c" is the last whole character.
  const std::vector<i32> forced{ids[0], ids[1], -1, -1, -1, -1, -1};
  for (size_t i = 0; i < ids.size(); ++i) {
    EXPECT_EQ(matcher.forced_token(), forced[i]) << i;
    ASSERT_TRUE(matcher.accept(ids[i]));
  }
  EXPECT_TRUE(matcher.may_end());
  EXPECT_EQ(matcher.forced_token(), -1);
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
