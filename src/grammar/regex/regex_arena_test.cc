#include "grammar/regex/regex_arena.h"

#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <string>
#include <unordered_set>
#include <vector>

namespace fathom::grammar {
namespace {

// The reference: a language as the set of its texts of at most 5 letters a and b. There are 63, one
// bit each; a text is numbered by its letters as binary digits behind a 1.
using Language = u64;
constexpr u32 kNumTexts = 64;
constexpr Language kAllTexts = ~u64{1};

std::string text_of(u32 number) {
  std::string text;
  for (u32 rest = number; rest > 1; rest /= 2) text.insert(text.begin(), rest % 2 == 0 ? 'a' : 'b');
  return text;
}

u32 number_of(std::string_view text) {
  u32 number = 1;
  for (const char letter : text) number = number * 2 + (letter == 'b' ? 1 : 0);
  return number;
}

bool has(Language language, u32 number) { return (language >> number & 1) != 0; }

Language concat(Language a, Language b) {
  Language both = 0;
  for (u32 first = 1; first < kNumTexts; ++first) {
    if (!has(a, first)) continue;
    for (u32 second = 1; second < kNumTexts; ++second) {
      const std::string text = text_of(first) + text_of(second);
      if (has(b, second) && text.size() <= 5) both |= Language{1} << number_of(text);
    }
  }
  return both;
}

Language repeat(Language inner, u32 min, u32 max) {
  Language power = Language{1} << 1, all = 0;
  // What follows the first six repetitions is empty or too long.
  for (u32 count = 0; count <= std::min(max, min + 6); ++count) {
    if (count >= min) all |= power;
    power = concat(power, inner);
  }
  return all;
}

struct Both {
  Regex regex;
  Language language;
};

class RandomRegex {
 public:
  RandomRegex(RegexArena& arena, u32 seed) : arena_(arena), random_(seed) {}

  Both make(int depth) {
    if (depth == 0 || pick(8) == 0) return leaf();
    const Both a = make(depth - 1);
    switch (pick(6)) {
      case 0:
        return repeat_of(a);
      case 1:
        return {arena_.complement(a.regex), kAllTexts & ~a.language};
      default:
        break;
    }
    const Both b = make(depth - 1);
    switch (pick(4)) {
      case 0:
        return {arena_.alternate(a.regex, b.regex), a.language | b.language};
      case 1:
        return {arena_.intersect(a.regex, b.regex), a.language & b.language};
      case 2:
        return {arena_.subtract(a.regex, b.regex), a.language & ~b.language};
      default:
        return {arena_.concat(a.regex, b.regex), concat(a.language, b.language)};
    }
  }

 private:
  u32 pick(u32 count) { return static_cast<u32>(random_() % count); }

  Both leaf() {
    switch (pick(7)) {
      case 0:
        return {arena_.nothing(), 0};
      case 1:
        return {arena_.empty(), Language{1} << 1};
      case 2:
        return {arena_.everything(), kAllTexts};
      case 3:
        return {arena_.bytes(ByteSet::range('a', 'b')), Language{3} << 2};
      case 4:
        return {arena_.literal("ab"), Language{1} << number_of("ab")};
      case 5:
        return {arena_.literal("a"), Language{1} << 2};
      default:
        return {arena_.literal("b"), Language{1} << 3};
    }
  }

  Both repeat_of(const Both& inner) {
    const u32 min = pick(4);
    const u32 max = pick(3) == 0 ? kUnbounded : min + pick(3);
    return {arena_.repeat(inner.regex, min, max), repeat(inner.language, min, max)};
  }

  RegexArena& arena_;
  std::mt19937 random_;
};

void expect_language(RegexArena& arena, const Both& both) {
  for (u32 number = 1; number < kNumTexts; ++number) {
    ASSERT_EQ(arena.matches(both.regex, text_of(number)), has(both.language, number))
        << text_of(number);
  }
}

TEST(RegexArena, MatchesWhatItsPartsSay) {
  for (u32 seed = 0; seed < 1500; ++seed) {
    RegexArena arena;
    const Both both = RandomRegex(arena, seed).make(5);
    SCOPED_TRACE(seed);
    expect_language(arena, both);
    EXPECT_EQ(arena.nullable(both.regex), has(both.language, 1));
    if (::testing::Test::HasFatalFailure()) return;
  }
}

TEST(RegexArena, ADerivativeMatchesWhatFollows) {
  for (u32 seed = 0; seed < 1000; ++seed) {
    RegexArena arena;
    const Both both = RandomRegex(arena, seed).make(5);
    for (const char letter : {'a', 'b'}) {
      const Regex next = arena.derivative(both.regex, static_cast<u8>(letter));
      const Regex live = arena.live_derivative(both.regex, static_cast<u8>(letter));
      EXPECT_EQ(live == arena.nothing(), arena.matches_nothing(next));
      for (u32 number = 1; number < kNumTexts / 2; ++number) {
        const bool expected = has(both.language, number_of(letter + text_of(number)));
        ASSERT_EQ(arena.matches(next, text_of(number)), expected) << seed;
        ASSERT_EQ(arena.matches(live, text_of(number)), expected) << seed;
      }
    }
  }
}

/// What texts of `bytes` lead to, `start` first.
std::vector<Regex> states_from(RegexArena& arena, Regex start, std::string_view bytes,
                               size_t limit) {
  std::vector<Regex> states{start};
  std::unordered_set<Regex> seen{start};
  for (size_t i = 0; i < states.size() && states.size() < limit; ++i) {
    for (const char byte : bytes) {
      const Regex next = arena.derivative(states[i], static_cast<u8>(byte));
      if (seen.insert(next).second) states.push_back(next);
    }
  }
  return states;
}

bool can_reach_a_match(RegexArena& arena, Regex start, std::string_view bytes = "abc") {
  std::vector<Regex> open{start};
  std::unordered_set<Regex> seen{start};
  while (!open.empty()) {
    const Regex regex = open.back();
    open.pop_back();
    if (arena.nullable(regex)) return true;
    for (const char byte : bytes) {
      const Regex next = arena.derivative(regex, static_cast<u8>(byte));
      if (seen.insert(next).second) open.push_back(next);
    }
  }
  return false;
}

TEST(RegexArena, KnowsWhatMatchesNothing) {
  int num_empty = 0;
  for (u32 seed = 0; seed < 300; ++seed) {
    RegexArena arena;
    RandomRegex random(arena, seed);
    for (int i = 0; i < 3; ++i) {  // later ones meet what earlier ones found out
      const Both both = random.make(4);
      const bool nothing = arena.matches_nothing(both.regex);
      ASSERT_TRUE(!nothing || both.language == 0) << seed;
      num_empty += nothing && both.regex != arena.nothing() ? 1 : 0;
      for (const Regex state : states_from(arena, both.regex, "abc", 12)) {
        ASSERT_EQ(arena.matches_nothing(state), !can_reach_a_match(arena, state)) << seed;
      }
    }
  }
  EXPECT_GT(num_empty, 30);
}

TEST(RegexArena, EqualExpressionsHaveEqualIds) {
  for (u32 seed = 0; seed < 200; ++seed) {
    RegexArena arena;
    const Regex first = RandomRegex(arena, seed).make(5).regex;
    const i64 num_nodes = arena.num_nodes();
    EXPECT_EQ(RandomRegex(arena, seed).make(5).regex, first);
    EXPECT_EQ(arena.num_nodes(), num_nodes);
  }
  RegexArena arena;
  const Regex a = arena.literal("a"), b = arena.literal("bc"), c = arena.literal("d");
  EXPECT_EQ(arena.concat(arena.concat(a, b), c), arena.concat(a, arena.concat(b, c)));
  EXPECT_EQ(arena.alternate({a, b, c, a}), arena.alternate({c, arena.alternate(b, a)}));
  EXPECT_EQ(arena.intersect({a, b, c, a}), arena.intersect({c, arena.intersect(b, a)}));
  EXPECT_EQ(arena.complement(arena.complement(b)), b);
  EXPECT_EQ(arena.star(arena.star(b)), arena.star(b));
}

TEST(RegexArena, CountsWithoutWritingOut) {
  RegexArena arena;
  const Regex a = arena.literal("a");
  const Regex million = arena.repeat(arena.repeat(a, 1000, 1000), 1000, 1000);
  EXPECT_LT(arena.num_nodes(), 10);
  EXPECT_TRUE(arena.matches(million, std::string(1'000'000, 'a')));
  EXPECT_FALSE(arena.matches(million, std::string(999'999, 'a')));
}

TEST(RegexArena, MultiplesAreWhatDivisionSays) {
  for (const u64 modulus : {u64{1}, u64{2}, u64{3}, u64{7}, u64{10}, u64{25}, u64{96}, u64{1000}}) {
    RegexArena arena;
    for (u64 remainder = 0; remainder < modulus; remainder += 1 + modulus / 7) {
      const Regex multiple = arena.multiple_of({.modulus = modulus, .remainder = remainder});
      for (u64 value = 0; value < 3000; ++value) {
        const std::string digits = std::to_string(value);
        u64 scale = 1;
        for (size_t i = 0; i < digits.size(); ++i) scale *= 10;
        const bool expected = (remainder * scale + value) % modulus == 0;
        ASSERT_EQ(arena.matches(multiple, digits), expected);
        ASSERT_EQ(arena.matches(multiple, digits + ".00"), expected);
        ASSERT_FALSE(arena.matches(multiple, digits + "."));
        ASSERT_FALSE(arena.matches(multiple, digits + ".010"));
      }
      EXPECT_FALSE(arena.matches(multiple, "0x"));
    }
  }
  RegexArena arena;
  const Regex large = arena.multiple_of({.modulus = 1'000'000'000'000'000'000});
  EXPECT_TRUE(arena.matches(large, "123000000000000000000"));
  EXPECT_FALSE(arena.matches(large, "123000000000000000001"));
}

// Whatever can be begun can be ended.
void expect_no_dead_ends(RegexArena& arena, Regex start) {
  constexpr std::string_view kBytes = "0123456789.";
  std::vector<Regex> open{start};
  std::unordered_set<Regex> seen{start, arena.nothing()};
  while (!open.empty() && seen.size() < 200) {
    const Regex state = open.back();
    open.pop_back();
    ASSERT_TRUE(can_reach_a_match(arena, state, kBytes));
    for (const char byte : kBytes) {
      const Regex next = arena.derivative(state, static_cast<u8>(byte));
      if (seen.insert(next).second) open.push_back(next);
    }
  }
}

TEST(RegexArena, MultiplesOfFractionsAreWhatDivisionSays) {
  for (const u64 modulus :
       {u64{1}, u64{5}, u64{7}, u64{12}, u64{50}, u64{625}, u64{1001}, u64{20'000}}) {
    RegexArena arena;
    const Regex multiple = arena.multiple_of({.modulus = modulus, .places = 3});
    for (u64 thousandths = 0; thousandths < 30'000; ++thousandths) {
      std::string text = std::to_string(thousandths / 1000) + "." +
                         std::to_string(1000 + thousandths % 1000).substr(1);
      const bool expected = thousandths % modulus == 0;
      ASSERT_EQ(arena.matches(multiple, text), expected) << text << " of " << modulus;
      ASSERT_EQ(arena.matches(multiple, text + "0"), expected);
      ASSERT_FALSE(arena.matches(multiple, text + "1"));
      while (text.back() == '0') text.pop_back();
      if (text.back() == '.') text.pop_back();
      ASSERT_EQ(arena.matches(multiple, text), expected) << text << " of " << modulus;
    }
    expect_no_dead_ends(arena, multiple);
  }
}

// The bytes of an expression made later split the classes that derivatives are remembered by.
TEST(RegexArena, RemembersDerivativesWhenClassesAreSplit) {
  RegexArena arena;
  const Regex word = arena.repeat(arena.bytes(ByteSet::range('a', 'z')), 2, 3);
  EXPECT_TRUE(arena.matches(word, "mn"));
  const Regex vowel = arena.intersect(word, arena.complement(arena.literal("mn")));
  EXPECT_FALSE(arena.matches(vowel, "mn"));
  EXPECT_TRUE(arena.matches(vowel, "mm"));
  EXPECT_TRUE(arena.matches(word, "mn"));
  const Regex digits = arena.multiple_of({.modulus = 3});
  EXPECT_TRUE(arena.matches(arena.intersect(digits, arena.everything()), "12"));
  EXPECT_FALSE(arena.matches(word, "a1"));
}

TEST(RegexArena, StopsAtItsBudgets) {
  RegexArena small({.nodes = 100});
  for (int i = 0; i < 3; ++i) {  // what was refused is not there the next time
    EXPECT_THROW(small.literal(std::string(200, 'x') + "y"), BudgetError);
    EXPECT_EQ(small.num_nodes(), 100);
  }
  small.set_node_limit(1000);
  EXPECT_TRUE(
      small.matches(small.literal(std::string(200, 'x') + "y"), std::string(200, 'x') + "y"));
  // 2^20 states, and none of them a match.
  RegexArena arena({.emptiness_steps = 1000});
  const Regex any = arena.bytes(ByteSet::range('a', 'b'));
  const Regex late_a =
      arena.concat({arena.star(any), arena.literal("a"), arena.repeat(any, 20, 20)});
  EXPECT_THROW(arena.matches_nothing(arena.subtract(late_a, arena.star(any))), BudgetError);
}

// All together have 250,000 states, the two that contradict each other a few hundred.
TEST(RegexArena, FindsTheTwoThatContradictEachOther) {
  RegexArena arena({.emptiness_steps = 20'000});
  const Regex lower = arena.bytes(ByteSet::range('a', 'z')), dot = arena.literal(".");
  const Regex label = arena.repeat(lower, 1, 63);
  const Regex name = arena.concat(label, arena.star(arena.concat(dot, label)));
  const Regex any = arena.bytes(ByteSet::range('!', '~'));
  const Regex with_colon = arena.concat({arena.star(any), arena.literal(":"), arena.star(any)});
  const Regex all = arena.intersect({name, with_colon, arena.repeat(any, 1, 4000)});
  EXPECT_TRUE(arena.matches_nothing(all));
  EXPECT_FALSE(arena.matches_nothing(
      arena.intersect({name, arena.complement(with_colon), arena.repeat(any, 1, 4000)})));
}

// One state of .*a.{10000} holds as many children as letters were read.
TEST(RegexArena, CountsTheChildrenOfItsNodes) {
  RegexArena arena({.nodes = 100'000});
  const Regex any = arena.bytes(ByteSet::range('a', 'b'));
  const Regex late_a =
      arena.concat({arena.star(any), arena.literal("a"), arena.repeat(any, 10'000, 10'000)});
  EXPECT_THROW(arena.matches(late_a, std::string(10'000, 'a')), BudgetError);
  EXPECT_LT(arena.memory_bytes(), i64{16} << 20);
}

TEST(RegexArena, AListOfWordsIsATrie) {
  RegexArena arena;
  std::mt19937 random(3);
  std::vector<Regex> words;
  std::vector<std::string> texts;
  for (int i = 0; i < 5000; ++i) {
    std::string text;
    for (u64 length = 1 + random() % 12; length-- > 0;)
      text += static_cast<char>('a' + random() % 4);
    texts.push_back(text);
    words.push_back(arena.literal(text));
  }
  const std::unordered_set<std::string> known(texts.begin(), texts.end());
  const Regex any_word = arena.alternate(std::move(words));
  EXPECT_LE(arena.children(any_word).size(), 5u);
  for (const std::string& text : texts) {
    EXPECT_TRUE(arena.matches(any_word, text));
    EXPECT_EQ(arena.matches(any_word, text + "a"), known.contains(text + "a"));
    EXPECT_EQ(arena.matches(any_word, text.substr(1)), known.contains(text.substr(1)));
  }
}

}  // namespace
}  // namespace fathom::grammar
