#include "grammar/regex/characters.h"

#include <array>
#include <vector>

#include "grammar/regex/symbol_range.h"
#include "tokenizer/unicode/utf8.h"

namespace fathom::grammar {
namespace {

using tokenizer::CodePointRange;
using tokenizer::CodePointSet;

std::vector<u32> utf8_bytes(char32_t code_point) {
  std::string text;
  tokenizer::append_utf8(code_point, text);
  std::vector<u32> bytes;
  for (const char byte : text) bytes.push_back(static_cast<u8>(byte));
  return bytes;
}

/// The part of `range` inside [first, last], if any.
bool clip(CodePointRange& range, char32_t first, char32_t last) {
  range = {std::max(range.first, first), std::min(range.last, last)};
  return range.first <= range.last;
}

void add_utf8(RegexArena& arena, CodePointRange range, std::vector<Regex>& choices) {
  constexpr std::array<CodePointRange, 4> kByLength{
      {{0, 0x7F}, {0x80, 0x7FF}, {0x800, 0xFFFF}, {0x10000, 0x10FFFF}}};
  const auto byte_range = [&](u32 first, u32 last) {
    return arena.bytes(ByteSet::range(static_cast<u8>(first), static_cast<u8>(last)));
  };
  for (const CodePointRange length : kByLength) {
    CodePointRange part = range;
    if (!clip(part, length.first, length.last)) continue;
    choices.push_back(symbols_between(arena, utf8_bytes(part.first), utf8_bytes(part.last),
                                      {.first = 0x80, .last = 0xBF, .between = byte_range}));
  }
}

Regex hex_digits(RegexArena& arena, u32 first, u32 last) {
  ByteSet set;
  for (u32 digit = first; digit <= last; ++digit) {
    if (digit < 10) {
      set = set | ByteSet::of(static_cast<u8>('0' + digit));
    } else {
      set = set | ByteSet::of(static_cast<u8>('a' + digit - 10)) |
            ByteSet::of(static_cast<u8>('A' + digit - 10));
    }
  }
  return arena.bytes(set);
}

std::array<u32, 4> nibbles(u32 unit) {
  return {unit >> 12 & 15, unit >> 8 & 15, unit >> 4 & 15, unit & 15};
}

/// \uXXXX of the UTF-16 code units from `first` to `last`.
Regex escaped_units(RegexArena& arena, u32 first, u32 last) {
  const auto digits = [&](u32 low, u32 high) { return hex_digits(arena, low, high); };
  return arena.concat(arena.literal("\\u"),
                      symbols_between(arena, nibbles(first), nibbles(last),
                                      {.first = 0, .last = 15, .between = digits}));
}

/// Pairs of \uD83D\uDE00 of characters above U+FFFF.
void add_surrogate_pairs(RegexArena& arena, CodePointRange range, std::vector<Regex>& choices) {
  const auto high = [](char32_t c) { return 0xD800 + ((c - 0x10000) >> 10); };
  const auto low = [](char32_t c) { return 0xDC00 + (c & 0x3FF); };
  const auto add = [&](u32 first_high, u32 last_high, u32 first_low, u32 last_low) {
    if (first_high > last_high) return;
    choices.push_back(arena.concat(escaped_units(arena, first_high, last_high),
                                   escaped_units(arena, first_low, last_low)));
  };
  const u32 first = high(range.first), last = high(range.last);
  if (first == last) return add(first, last, low(range.first), low(range.last));
  add(first, first, low(range.first), 0xDFFF);
  add(first + 1, last - 1, 0xDC00, 0xDFFF);
  add(last, last, 0xDC00, low(range.last));
}

/// The escapes of one letter.
struct ShortEscape {
  char32_t character;
  char letter;
};
constexpr std::array<ShortEscape, 8> kShortEscapes{{{'"', '"'},
                                                    {'\\', '\\'},
                                                    {'/', '/'},
                                                    {'\b', 'b'},
                                                    {'\f', 'f'},
                                                    {'\n', 'n'},
                                                    {'\r', 'r'},
                                                    {'\t', 't'}}};

void add_escaped(RegexArena& arena, const CodePointSet& set, std::vector<Regex>& choices) {
  ByteSet letters;
  for (const auto [character, letter] : kShortEscapes) {
    if (set.contains(character)) letters = letters | ByteSet::of(static_cast<u8>(letter));
  }
  choices.push_back(arena.concat(arena.literal("\\"), arena.bytes(letters)));
  for (const CodePointRange range : set.ranges()) {
    CodePointRange part = range;
    if (clip(part, 0, 0xFFFF)) choices.push_back(escaped_units(arena, part.first, part.last));
    part = range;
    if (clip(part, 0x10000, 0x10FFFF)) add_surrogate_pairs(arena, part, choices);
  }
}

}  // namespace

const CodePointSet& plain_characters() {
  static const CodePointSet set =
      all_characters().intersect(CodePointSet({{0, 0x1F}, {'"', '"'}, {'\\', '\\'}}).complement());
  return set;
}

const CodePointSet& all_characters() {
  static const CodePointSet set({{0, 0xD7FF}, {0xE000, 0x10FFFF}});
  return set;
}

Regex one_of(RegexArena& arena, const CodePointSet& set, Spelling spelling) {
  std::vector<Regex> choices;
  const CodePointSet raw = spelling == Spelling::kUtf8 ? set : set.intersect(plain_characters());
  for (const CodePointRange range : raw.ranges()) add_utf8(arena, range, choices);
  if (spelling == Spelling::kJson) add_escaped(arena, set, choices);
  return arena.alternate(std::move(choices));
}

Regex all_spellings(RegexArena& arena, std::string_view text, Spelling spelling) {
  std::vector<CodePointSet> characters;
  for (size_t pos = 0; pos < text.size();) {
    const auto [value, num_bytes] = tokenizer::decode_utf8(text, pos);
    characters.emplace_back(std::vector<CodePointRange>{{value, value}});
    pos += num_bytes;
  }
  Regex regex = arena.empty();
  for (size_t i = characters.size(); i-- > 0;) {
    regex = arena.concat(one_of(arena, characters[i], spelling), regex);
  }
  return regex;
}

Regex any_text(RegexArena& arena, Spelling spelling) {
  return arena.star(one_of(arena, all_characters(), spelling));
}

}  // namespace fathom::grammar
