#include "grammar/regex/characters.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "grammar/regex/symbol_range.h"
#include "tokenizer/unicode/utf8.h"

namespace fathom::grammar {
namespace {

using tokenizer::CodePointRange;
using tokenizer::CodePointSet;

constexpr char32_t kLast = 0x10FFFF;

bool is_surrogate(char32_t c) { return c >= 0xD800 && c <= 0xDFFF; }

std::string utf8(char32_t character) {
  std::string text;
  tokenizer::append_utf8(character, text);
  return text;
}

/// \uXXXX, its hexadecimal letters small or large by the bits of `cases`.
std::string escaped_unit(u32 unit, u32 cases) {
  std::string text = fmt::format("\\u{:04x}", unit);
  for (size_t i = 2; i < 6; ++i) {
    if ((cases >> i & 1) != 0 && text[i] >= 'a') text[i] = static_cast<char>(text[i] - 32);
  }
  return text;
}

std::string escaped(char32_t c, u32 cases) {
  if (c < 0x10000) return escaped_unit(c, cases);
  return escaped_unit(0xD800 + ((c - 0x10000) >> 10), cases) +
         escaped_unit(0xDC00 + ((c - 0x10000) & 0x3FF), cases >> 4);
}

CodePointSet random_code_points(std::mt19937& random) {
  constexpr char32_t kEdges[] = {0,       0x1F,    0x22,    0x5C,     0x7F,   0x80,
                                 0x7FF,   0x800,   0xD7FF,  0xE000,   0xFFFF, 0x10000,
                                 0x103FF, 0x10400, 0xFFFFF, 0x100000, kLast};
  std::vector<CodePointRange> ranges;
  const auto point = [&]() -> char32_t {
    const char32_t edge = kEdges[random() % std::size(kEdges)];
    if (random() % 2 == 0) return static_cast<char32_t>(random() % (kLast + 1));
    return static_cast<char32_t>(std::min<u64>(kLast, edge + random() % 3));
  };
  for (u64 count = 1 + random() % 4; count-- > 0;) {
    const char32_t a = point(), b = random() % 3 == 0 ? a : point();
    ranges.push_back({std::min(a, b), std::max(a, b)});
  }
  return CodePointSet(std::move(ranges));
}

TEST(Characters, InUtf8EveryOneOfASetAndNoOther) {
  std::mt19937 random(1);
  for (int round = 0; round < 6; ++round) {
    RegexArena arena;
    const CodePointSet set = random_code_points(random);
    const Regex regex = one_of(arena, set, Spelling::kUtf8);
    for (char32_t c = 0; c <= kLast; ++c) {
      ASSERT_EQ(arena.matches(regex, utf8(c)), !is_surrogate(c) && set.contains(c)) << u32{c};
    }
  }
}

TEST(Characters, InJsonEveryOneOfASetAndNoOther) {
  std::mt19937 random(2);
  for (int round = 0; round < 6; ++round) {
    RegexArena arena;
    const CodePointSet set = random_code_points(random);
    const Regex regex = one_of(arena, set, Spelling::kJson);
    for (char32_t c = 0; c <= kLast; ++c) {
      const bool expected = !is_surrogate(c) && set.contains(c);
      ASSERT_EQ(arena.matches(regex, escaped(c, static_cast<u32>(random()))), expected) << u32{c};
      const bool may_be_raw = c >= 0x20 && c != '"' && c != '\\';
      ASSERT_EQ(arena.matches(regex, utf8(c)), expected && may_be_raw) << u32{c};
    }
    const std::string_view letters = "\"\\/bfnrt", meanings = "\"\\/\b\f\n\r\t";
    for (u32 letter = 0; letter < 128; ++letter) {
      const size_t at = letters.find(static_cast<char>(letter));
      const bool expected =
          at != std::string_view::npos && set.contains(static_cast<char32_t>(meanings[at]));
      ASSERT_EQ(arena.matches(regex, std::string("\\") + static_cast<char>(letter)), expected);
    }
  }
}

TEST(Characters, AnyTextIsValidUtf8) {
  RegexArena arena;
  const Regex any = any_text(arena, Spelling::kUtf8);
  const auto check = [&](const std::string& text) {
    const bool valid = tokenizer::valid_utf8_prefix_bytes(text) == text.size();
    ASSERT_EQ(arena.matches(any, text), valid);
  };
  check("");
  std::mt19937 random(3);
  constexpr u8 kBytes[] = {0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF,
                           0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE,
                           0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF};
  for (u32 first = 0; first < 256; ++first) {
    for (u32 second = 0; second < 256; ++second) {
      check({static_cast<char>(first), static_cast<char>(second)});
      for (const u8 third : kBytes) {
        check({static_cast<char>(first), static_cast<char>(second), static_cast<char>(third)});
        for (const int fourth : {0x41, 0x7F, 0x80, 0xBF, 0xC2}) {
          if (first < 0xC0) continue;
          check({static_cast<char>(first), static_cast<char>(second), static_cast<char>(third),
                 static_cast<char>(fourth)});
        }
      }
    }
  }
}

TEST(Characters, AnyJsonTextHasNoBareQuoteControlOrLoneSurrogate) {
  RegexArena arena;
  const Regex any = any_text(arena, Spelling::kJson);
  for (const char* good :
       {"", "abc/", "\\\"", "\\\\", "\\n\\u0000", "\\ud83d\\uDE00", "\x7F", "é😀"}) {
    EXPECT_TRUE(arena.matches(any, good)) << good;
  }
  for (const char* bad : {"\"", "\\", "\n", "\x1F", "\\x", "\\u12", "\\ud83d", "\\ude00",
                          "\\ude00\\ud83d", "\\ud83dx", "\\ud83d\\u0041", "\xFF", "\xC3"}) {
    EXPECT_FALSE(arena.matches(any, bad)) << bad;
  }
}

TEST(Characters, AllSpellingsOfAText) {
  RegexArena arena;
  const std::string text = "a\"\\/\n\x7Fé\U0001F600";
  const Regex raw = all_spellings(arena, text, Spelling::kUtf8);
  EXPECT_TRUE(arena.matches(raw, text));
  EXPECT_FALSE(arena.matches(raw, text + "a"));
  const Regex json = all_spellings(arena, text, Spelling::kJson);
  EXPECT_TRUE(arena.matches(json, "a\\\"\\\\/\\n\x7Fé\U0001F600"));
  EXPECT_TRUE(arena.matches(json, "\\u0061\\u0022\\u005C\\/\\u000A\\u007f\\u00E9\\ud83D\\uDe00"));
  EXPECT_FALSE(arena.matches(json, text));
  EXPECT_EQ(all_spellings(arena, "", Spelling::kJson), arena.empty());
}

TEST(SymbolRange, IsEveryNumberBetween) {
  RegexArena arena;
  const auto digits = [&](u32 low, u32 high) {
    return arena.bytes(ByteSet::range(static_cast<u8>('0' + low), static_cast<u8>('0' + high)));
  };
  std::mt19937 random(4);
  for (int round = 0; round < 300; ++round) {
    const u32 a = static_cast<u32>(random() % 1000), b = static_cast<u32>(random() % 1000);
    const u32 low = std::min(a, b), high = std::max(a, b);
    const u32 lows[] = {low / 100, low / 10 % 10, low % 10};
    const u32 highs[] = {high / 100, high / 10 % 10, high % 10};
    const Regex regex =
        symbols_between(arena, lows, highs, {.first = 0, .last = 9, .between = digits});
    for (u32 value = 0; value < 1000; ++value) {
      ASSERT_EQ(arena.matches(regex, fmt::format("{:03}", value)), low <= value && value <= high);
    }
  }
}

}  // namespace
}  // namespace fathom::grammar
