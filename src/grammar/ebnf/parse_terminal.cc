#include "grammar/ebnf/parse_terminal.h"

#include <fmt/format.h>

#include "tokenizer/unicode/utf8.h"

namespace fathom::grammar {
namespace {

/// The digits of \xHH, \uHHHH and \UHHHHHHHH.
bool parse_hex(EbnfCursor& at, size_t num_digits, char32_t& character) {
  const size_t start = at.pos;
  u64 value = 0;
  at.pos += 2;
  for (size_t i = 0; i < num_digits; ++i, ++at.pos) {
    const std::string_view kDigits = "0123456789abcdef";
    const char c = at.peek();
    const size_t digit = kDigits.find(c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c);
    if (c == '\0' || digit == std::string_view::npos) {
      return at.expected(fmt::format("{} hexadecimal digits", num_digits));
    }
    value = value << 4 | digit;
  }
  if (value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) {
    at.pos = start;
    return at.expected("the number of a Unicode character");
  }
  character = static_cast<char32_t>(value);
  return true;
}

bool parse_escape(EbnfCursor& at, char32_t& character) {
  const char letter = at.peek(1);
  switch (letter) {
    case 'x':
      return parse_hex(at, 2, character);
    case 'u':
      return parse_hex(at, 4, character);
    case 'U':
      return parse_hex(at, 8, character);
    case 't':
      character = '\t';
      break;
    case 'r':
      character = '\r';
      break;
    case 'n':
      character = '\n';
      break;
    case '\\':
    case '"':
    case '[':
    case ']':
    case '-':
      character = static_cast<char32_t>(letter);
      break;
    default:
      return at.expected(R"(one of the escapes \x \u \U \t \r \n \\ \" \[ \] \-)");
  }
  at.pos += 2;
  return true;
}

bool parse_character(EbnfCursor& at, char32_t& character) {
  if (at.peek() == '\\') return parse_escape(at, character);
  const auto [value, num_bytes] = tokenizer::decode_utf8(at.text, at.pos);
  at.pos += num_bytes;
  character = value;
  return true;
}

bool parse_range(EbnfCursor& at, tokenizer::CodePointRange& range) {
  const size_t start = at.pos;
  if (!parse_character(at, range.first)) return false;
  range.last = range.first;
  if (at.peek() != '-' || at.peek(1) == ']' || at.pos + 1 >= at.text.size()) return true;
  ++at.pos;
  if (!parse_character(at, range.last)) return false;
  if (range.first <= range.last) return true;
  at.pos = start;
  return at.expected("a range whose second character is not before its first");
}

}  // namespace

bool parse_literal(EbnfCursor& at, EbnfTerm& term) {
  const size_t start = at.pos++;
  term.kind = EbnfTerm::Kind::kLiteral;
  while (!at.take("\"")) {
    if (at.at_end()) {
      at.pos = start;
      return at.stop(ErrorCode::kInvalidInput, "a literal without its closing \"");
    }
    char32_t character = 0;
    if (!parse_character(at, character)) return false;
    tokenizer::append_utf8(character, term.text);
  }
  return true;
}

bool parse_class(EbnfCursor& at, EbnfTerm& term) {
  const size_t start = at.pos++;
  term.kind = EbnfTerm::Kind::kCharacters;
  const bool negated = at.take("^");
  std::vector<tokenizer::CodePointRange> ranges;
  while (!at.take("]")) {
    if (at.at_end()) {
      at.pos = start;
      return at.stop(ErrorCode::kInvalidInput, "a class without its ]");
    }
    tokenizer::CodePointRange range;
    if (!parse_range(at, range)) return false;
    ranges.push_back(range);
  }
  if (ranges.empty()) {
    at.pos = start;
    return at.stop(ErrorCode::kInvalidInput, "a class of no characters");
  }
  const tokenizer::CodePointSet set(std::move(ranges));
  term.characters = negated ? set.complement() : set;
  return true;
}

}  // namespace fathom::grammar
