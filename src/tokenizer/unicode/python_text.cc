#include "tokenizer/unicode/python_text.h"

#include <algorithm>

#include "base/types.h"
#include "tokenizer/unicode/unicode.h"
#include "tokenizer/unicode/utf8.h"

namespace fathom::tokenizer {
namespace {

/// Where the character that ends before `end` (> 0) begins.
size_t last_character(std::string_view text, size_t end) {
  do {
    --end;
  } while (end > 0 && (static_cast<u8>(text[end]) & 0xC0) == 0x80);
  return end;
}

/// Whether the character at `at` is white space, in text that is UTF-8 or is not.
bool is_space_at(std::string_view text, size_t at, bool is_utf8) {
  if (static_cast<u8>(text[at]) < 0x80) return is_python_space(static_cast<u8>(text[at]));
  return is_utf8 && is_python_space(decode_utf8(text, at).value);
}

std::string_view strip_left(std::string_view text, bool is_utf8) {
  while (!text.empty() && is_space_at(text, 0, is_utf8)) {
    text.remove_prefix(is_utf8 ? decode_utf8(text, 0).num_bytes : 1);
  }
  return text;
}

std::string_view strip_right(std::string_view text, bool is_utf8) {
  while (!text.empty()) {
    const size_t last = is_utf8 ? last_character(text, text.size()) : text.size() - 1;
    if (!is_space_at(text, last, is_utf8)) break;
    text = text.substr(0, last);
  }
  return text;
}

bool is_utf8(std::string_view text) { return valid_utf8_prefix_bytes(text) == text.size(); }

}  // namespace

bool is_python_space(char32_t character) {
  return (character >= 0x1C && character <= 0x1F) || is_white_space(character);
}

std::string_view python_strip(std::string_view text) {
  const bool utf8 = is_utf8(text);
  return strip_left(strip_right(text, utf8), utf8);
}

std::string_view python_strip_left(std::string_view text) {
  return strip_left(text, is_utf8(text));
}

std::string_view python_strip_right(std::string_view text) {
  return strip_right(text, is_utf8(text));
}

std::string_view without_leading_newlines(std::string_view text) {
  return text.substr(std::min(text.find_first_not_of('\n'), text.size()));
}

std::string_view without_trailing_newlines(std::string_view text) {
  return text.substr(0, text.find_last_not_of('\n') + 1);
}

}  // namespace fathom::tokenizer
