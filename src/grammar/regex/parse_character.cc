#include "grammar/regex/parse_character.h"

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "grammar/regex/unicode_property.h"
#include "tokenizer/unicode/unicode.h"
#include "tokenizer/unicode/utf8.h"

namespace fathom::grammar {
namespace {

using tokenizer::CodePointRange;
using tokenizer::CodePointSet;

bool is_surrogate(char32_t unit) { return unit >= 0xD800 && unit <= 0xDFFF; }

CodePointSet digits() { return CodePointSet({{'0', '9'}}); }
CodePointSet word_characters() {
  return CodePointSet({{'0', '9'}, {'A', 'Z'}, {'a', 'z'}, {'_', '_'}});
}
CodePointSet line_ends() { return CodePointSet::of(U"\n\r\u2028\u2029"); }
/// WhiteSpace and LineTerminator of ECMA-262 §12.2 and §12.3.
CodePointSet white_space() {
  return tokenizer::code_points_of(mask_of(tokenizer::GeneralCategory::kZs))
      .unite(CodePointSet::of(U"\t\v\f\uFEFF"))
      .unite(line_ends());
}

/// A member of a class, or what an escape means.
struct Atom {
  CodePointSet set;
  /// The one character, where it is one: also a lone surrogate, which is in no set.
  std::optional<char32_t> character;
};

class CharacterParser {
 public:
  explicit CharacterParser(PatternCursor& at) : at_(at) {}

  bool parse(CodePointSet& set) {
    Atom atom;
    if (at_.take(".")) {
      atom.set = line_ends().complement();
    } else if (at_.peek() == '[') {
      return parse_class(set);
    } else if (!parse_atom(atom, Inside::kPattern)) {
      return false;
    }
    set = std::move(atom.set);
    return true;
  }

 private:
  enum class Inside { kPattern, kClass };

  bool parse_atom(Atom& atom, Inside inside) {
    if (at_.peek() == '\\') return parse_escape(atom, inside);
    const auto [value, num_bytes] = tokenizer::decode_utf8(at_.text, at_.pos);
    at_.pos += num_bytes;
    return take_character(value, atom);
  }

  static bool take_character(char32_t character, Atom& atom) {
    atom.character = character;
    atom.set = CodePointSet({{character, character}});
    return true;
  }

  bool parse_escape(Atom& atom, Inside inside) {
    const char letter = at_.peek(1);
    switch (letter) {
      case 'd':
      case 'D':
        return take_set(digits(), letter == 'D', atom);
      case 'w':
      case 'W':
        return take_set(word_characters(), letter == 'W', atom);
      case 's':
      case 'S':
        return take_set(white_space(), letter == 'S', atom);
      case 'p':
      case 'P':
        return parse_property(letter == 'P', atom);
      case 'x':
        return parse_hex_byte(atom);
      case 'u':
        return parse_unicode(atom, inside);
      case 'c':
        return parse_control(atom);
      case 'b':
      case 'B':
        if (inside == Inside::kClass && letter == 'b') return take_letter('\b', atom);
        return at_.refuse(inside == Inside::kPattern ? "a word boundary" : "this escape");
      case 't':
        return take_letter('\t', atom);
      case 'n':
        return take_letter('\n', atom);
      case 'v':
        return take_letter('\v', atom);
      case 'f':
        return take_letter('\f', atom);
      case 'r':
        return take_letter('\r', atom);
      case 'k':
        return at_.refuse("a back-reference");
      default:
        return parse_other_escape(atom, inside);
    }
  }

  bool parse_other_escape(Atom& atom, Inside inside) {
    if (at_.pos + 1 == at_.text.size()) return at_.reject("a backslash with nothing behind it");
    const char letter = at_.peek(1);
    const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    if (letter == '0' && !is_digit(at_.peek(2))) return take_letter('\0', atom);
    if (is_digit(letter)) {
      const bool octal = letter == '0' || inside == Inside::kClass;
      return at_.refuse(octal ? "an octal escape" : "a back-reference");
    }
    // Annex B lets any letter stand for itself; who writes \A or \Z means something else.
    if ((letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z')) {
      return at_.refuse("this escape");
    }
    ++at_.pos;
    const auto [value, num_bytes] = tokenizer::decode_utf8(at_.text, at_.pos);
    at_.pos += num_bytes;
    return take_character(value, atom);
  }

  bool take_letter(char32_t character, Atom& atom) {
    at_.pos += 2;
    return take_character(character, atom);
  }

  bool take_set(CodePointSet members, bool negated, Atom& atom) {
    at_.pos += 2;
    atom.set = negated ? members.complement() : std::move(members);
    return true;
  }

  /// \p{Name}, \P{Name}.
  bool parse_property(bool negated, Atom& atom) {
    const size_t close = at_.text.find('}', at_.pos);
    if (at_.peek(2) != '{' || close == std::string_view::npos) {
      return at_.reject("a property that is not written \\p{Name}");
    }
    const auto set = find_ecma_property(at_.text.substr(at_.pos + 3, close - at_.pos - 3));
    if (!set) return at_.refuse("this Unicode property");
    atom.set = negated ? set->complement() : *set;
    at_.pos = close + 1;
    return true;
  }

  /// The value of text[from, to) if it is all hexadecimal digits, at least one.
  std::optional<char32_t> hex(size_t from, size_t to) const {
    if (to > at_.text.size() || from >= to || to - from > 8) return std::nullopt;
    char32_t value = 0;
    for (const char c : at_.text.substr(from, to - from)) {
      const std::string_view kDigits = "0123456789abcdef";
      const size_t digit = kDigits.find(c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c);
      if (digit == std::string_view::npos) return std::nullopt;
      value = value << 4 | static_cast<char32_t>(digit);
    }
    return value;
  }

  bool parse_hex_byte(Atom& atom) {
    const auto value = hex(at_.pos + 2, at_.pos + 4);
    if (!value) return at_.reject("a \\x without two hexadecimal digits");
    at_.pos += 4;
    return take_character(*value, atom);
  }

  /// \uXXXX, two of them for a character above U+FFFF, or \u{X...}.
  bool parse_unicode(Atom& atom, Inside inside) {
    const size_t start = at_.pos;
    if (at_.peek(2) == '{') {
      const size_t close = at_.text.find('}', start);  // npos is more digits than there can be
      const auto value = hex(start + 3, close);
      if (!value || *value > 0x10FFFF) return at_.reject("a \\u{} that names no character");
      at_.pos = close + 1;
      take_character(*value, atom);
    } else {
      auto value = hex(start + 2, start + 6);
      if (!value) return at_.reject("a \\u without four hexadecimal digits");
      at_.pos += 6;
      const auto low = at_.rest().starts_with("\\u") ? hex(at_.pos + 2, at_.pos + 6) : std::nullopt;
      if (*value >= 0xD800 && *value < 0xDC00 && low && *low >= 0xDC00 && *low <= 0xDFFF) {
        value = 0x10000 + ((*value - 0xD800) << 10) + (*low - 0xDC00);
        at_.pos += 6;
      }
      take_character(*value, atom);
    }
    if (!is_surrogate(*atom.character) || inside == Inside::kClass) return true;
    at_.pos = start;
    return at_.refuse("half of a surrogate pair, which no text has,");
  }

  bool parse_control(Atom& atom) {
    const char letter = at_.peek(2);
    if (!((letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z'))) {
      return at_.reject("a \\c without a letter");
    }
    at_.pos += 3;
    return take_character(static_cast<char32_t>(letter) & 31, atom);
  }

  bool parse_class(CodePointSet& set) {
    const size_t start = at_.pos++;
    const bool negated = at_.take("^");
    std::vector<CodePointRange> members;
    bool surrogates_alone = false;
    while (!at_.take("]")) {
      if (at_.at_end()) {
        at_.pos = start;
        return at_.reject("a class without its ]");
      }
      if (!parse_member(members, surrogates_alone)) return false;
    }
    set = CodePointSet(std::move(members));
    if (set.empty() && surrogates_alone && !negated) {
      at_.pos = start;
      return at_.refuse("a class of halves of surrogate pairs, which no text has,");
    }
    if (negated) set = set.complement();
    return true;
  }

  /// A character, an escape or a range. [\w-x] is \w, - and x (Annex B).
  bool parse_member(std::vector<CodePointRange>& members, bool& has_surrogates) {
    const size_t start = at_.pos;
    Atom first;
    if (!parse_atom(first, Inside::kClass)) return false;
    if (at_.peek() != '-' || at_.peek(1) == ']' || at_.pos + 1 >= at_.text.size()) {
      append(first, members, has_surrogates);
      return true;
    }
    ++at_.pos;
    Atom last;
    if (!parse_atom(last, Inside::kClass)) return false;
    if (!first.character || !last.character) {
      append(first, members, has_surrogates);
      append(last, members, has_surrogates);
      members.push_back({'-', '-'});
      return true;
    }
    if (*first.character > *last.character) {
      at_.pos = start;
      return at_.reject("a range whose ends are in the wrong order");
    }
    has_surrogates |= is_surrogate(*first.character);
    members.push_back({*first.character, *last.character});
    return true;
  }

  static void append(const Atom& atom, std::vector<CodePointRange>& members, bool& has_surrogates) {
    has_surrogates |= atom.character && is_surrogate(*atom.character);
    const std::span ranges = atom.set.ranges();
    members.insert(members.end(), ranges.begin(), ranges.end());
  }

  PatternCursor& at_;
};

}  // namespace

bool parse_character(PatternCursor& at, CodePointSet& set) {
  return CharacterParser(at).parse(set);
}

}  // namespace fathom::grammar
