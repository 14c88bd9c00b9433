// The two alternations that split text into words, written out as code. Each is the pattern beside
// it, alternative by alternative, in order; every one looks at most at one white-space run and one
// word ahead, so a pass is linear in the text.
#include <array>

#include "tokenizer/pattern/matcher.h"
#include "tokenizer/unicode/unicode.h"
#include "tokenizer/unicode/utf8.h"

namespace fathom::tokenizer {

const std::string_view kDeepSeekV3WordPattern =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+)"
    R"(| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

const std::string_view kLlama3Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";

namespace {

/// What the alternations ask about a character, as bits.
enum : u8 {
  kIsLetter = 1,
  kIsMark = 2,
  kIsNumber = 4,
  kIsPunctuationOrSymbol = 8,
  kIsSpace = 16,
  kIsLineBreak = 32,  // \r or \n; also kIsSpace
  kIsAsciiLetter = 64,
};

u8 class_of_category(CategoryMask category) {
  u8 bits = 0;
  if ((category & kLetter) != 0) bits |= kIsLetter;
  if ((category & kMark) != 0) bits |= kIsMark;
  if ((category & kNumber) != 0) bits |= kIsNumber;
  if ((category & (kPunctuation | kSymbol)) != 0) bits |= kIsPunctuationOrSymbol;
  if ((category & kWhiteSpace) != 0) bits |= kIsSpace;
  return bits;
}

/// Character classes for ASCII bytes and for the categories of everything else.
struct ClassTable {
  std::array<u8, 128> ascii{};
  std::array<u8, 32> by_category{};
  const UnicodeTable& unicode = UnicodeTable::instance();

  ClassTable() {
    for (u32 c = 0; c < ascii.size(); ++c) ascii[c] = class_of_category(unicode.category(c));
    for (const char c : {'\r', '\n'}) ascii[static_cast<u8>(c)] |= kIsLineBreak;
    for (u8 c = 'A'; c <= 'Z'; ++c) {
      ascii[c] |= kIsAsciiLetter;
      ascii[c | 0x20u] |= kIsAsciiLetter;
    }
  }
};

struct Character {
  u8 classes = 0;  // 0 at the end of the text too: no class matches there
  u32 num_bytes = 0;

  bool is(u8 any_of) const { return (classes & any_of) != 0; }
};

/// Reads characters of one text with their classes.
class Scanner {
 public:
  Scanner(const ClassTable& table, std::string_view text) : table_(table), text_(text) {}

  Character at(size_t pos) const {
    if (pos >= text_.size()) return {};
    const auto byte = static_cast<u8>(text_[pos]);
    if (byte < 128) return {table_.ascii[byte], 1};
    const CodePoint character = decode_utf8(text_, pos);
    return {class_of_category(table_.unicode.category(character.value)), character.num_bytes};
  }

  /// End of the run of characters of any of `classes` that starts at pos.
  size_t run_end(size_t pos, u8 classes) const {
    for (Character c = at(pos); c.is(classes); c = at(pos)) pos += c.num_bytes;
    return pos;
  }

  /// \s*[\r\n]+|\s+(?!\S)|\s+ at pos, where a white-space character stands.
  size_t white_space_match_end(size_t pos) const {
    size_t end = pos, last_begin = pos, after_line_break = pos;
    for (Character c = at(end); c.is(kIsSpace); c = at(end)) {
      last_begin = end;
      end += c.num_bytes;
      if (c.is(kIsLineBreak)) after_line_break = end;
    }
    if (after_line_break > pos) return after_line_break;
    // (?!\S) gives back one character unless the text ends here, or the run is but one character.
    if (end == text_.size() || last_begin == pos) return end;
    return last_begin;
  }

  size_t size() const { return text_.size(); }
  char byte(size_t pos) const { return text_[pos]; }

 private:
  const ClassTable& table_;
  std::string_view text_;
};

/// Calls on_match for each place where Alternation::match_end says that a match ends behind its
/// start.
template <typename Alternation>
class WordMatcher final : public Matcher {
 public:
  void for_each_match(std::string_view text, FunctionRef<void(Span)> on_match) const override {
    const Scanner scanner(table_, text);
    for (size_t pos = 0; pos < text.size();) {
      const Character first = scanner.at(pos);
      const size_t end = Alternation::match_end(scanner, pos, first);
      if (end > pos) on_match({pos, end});
      pos = end > pos ? end : pos + first.num_bytes;
    }
  }

 private:
  ClassTable table_;
};

struct DeepSeekV3Alternation {
  /// End of the match that starts at pos, or pos if there is none (control characters, digits).
  static size_t match_end(const Scanner& text, size_t pos, Character first) {
    constexpr u8 kWord = kIsLetter | kIsMark;
    if (first.is(kWord)) return text.run_end(pos, kWord);
    const size_t next_pos = pos + first.num_bytes;
    const Character next = text.at(next_pos);
    if (first.is(kIsPunctuationOrSymbol)) {
      // All ASCII punctuation and symbols are in the first alternative's class.
      if (first.num_bytes == 1 && next.is(kIsAsciiLetter)) {
        return text.run_end(next_pos, kIsAsciiLetter);
      }
    } else if (!first.is(kIsLineBreak) && next.is(kWord)) {
      return text.run_end(next_pos, kWord);
    }
    const bool after_blank = text.byte(pos) == ' ' && next.is(kIsPunctuationOrSymbol);
    if (first.is(kIsPunctuationOrSymbol) || after_blank) {
      return text.run_end(text.run_end(next_pos, kIsPunctuationOrSymbol), kIsLineBreak);
    }
    return first.is(kIsSpace) ? text.white_space_match_end(pos) : pos;
  }
};

struct Llama3Alternation {
  /// End of the match that starts at pos; every character begins one.
  static size_t match_end(const Scanner& text, size_t pos, Character first) {
    if (text.byte(pos) == '\'') {
      const size_t end = contraction_end(text, pos);
      if (end > pos) return end;
    }
    if (first.is(kIsLetter)) return text.run_end(pos, kIsLetter);
    if (first.is(kIsNumber)) return number_end(text, pos);
    const size_t next_pos = pos + first.num_bytes;
    const Character next = text.at(next_pos);
    if (!first.is(kIsLineBreak) && next.is(kIsLetter)) return text.run_end(next_pos, kIsLetter);
    const bool after_blank = text.byte(pos) == ' ' && is_other(next);
    if (is_other(first) || after_blank) {
      size_t end = next_pos;
      for (Character c = text.at(end); is_other(c); c = text.at(end)) end += c.num_bytes;
      return text.run_end(end, kIsLineBreak);
    }
    return text.white_space_match_end(pos);
  }

 private:
  /// [^\s\p{L}\p{N}]
  static bool is_other(Character c) {
    return c.num_bytes > 0 && !c.is(kIsSpace | kIsLetter | kIsNumber);
  }

  static size_t number_end(const Scanner& text, size_t pos) {
    for (int count = 0; count < 3 && text.at(pos).is(kIsNumber); ++count) {
      pos += text.at(pos).num_bytes;
    }
    return pos;
  }

  /// (?i:'s|'t|'re|'ve|'m|'ll|'d) with the apostrophe at pos; pos if it is none of them.
  static size_t contraction_end(const Scanner& text, size_t pos) {
    const auto lower_at = [&](size_t i) {
      return i < text.size() ? static_cast<char>(text.byte(i) | 0x20) : '\0';
    };
    const char c1 = lower_at(pos + 1);
    if (c1 == 's' || c1 == 't' || c1 == 'm' || c1 == 'd') return pos + 2;
    const char c2 = lower_at(pos + 2);
    if ((c1 == 'r' || c1 == 'v') && c2 == 'e') return pos + 3;
    if (c1 == 'l' && c2 == 'l') return pos + 3;
    // U+017F, the long s, is an s without regard to case.
    const bool long_s =
        pos + 2 < text.size() && text.byte(pos + 1) == '\xC5' && text.byte(pos + 2) == '\xBF';
    return long_s ? pos + 3 : pos;
  }
};

}  // namespace

std::unique_ptr<Matcher> deepseek_v3_word_matcher() {
  return std::make_unique<WordMatcher<DeepSeekV3Alternation>>();
}

std::unique_ptr<Matcher> llama3_matcher() {
  return std::make_unique<WordMatcher<Llama3Alternation>>();
}

}  // namespace fathom::tokenizer
