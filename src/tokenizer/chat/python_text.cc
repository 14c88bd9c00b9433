#include "tokenizer/chat/python_text.h"

#include <algorithm>

#include "base/types.h"
#include "tokenizer/unicode/unicode.h"
#include "tokenizer/unicode/utf8.h"

namespace fathom::tokenizer {
namespace {

/// Unicode's White_Space and the four separators U+001C to U+001F.
bool is_python_space(char32_t character) {
  return (character >= 0x1C && character <= 0x1F) || is_white_space(character);
}

/// Where the character that ends before `end` (> 0) begins.
size_t last_character(std::string_view text, size_t end) {
  do {
    --end;
  } while (end > 0 && (static_cast<u8>(text[end]) & 0xC0) == 0x80);
  return end;
}

}  // namespace

std::string_view python_strip(std::string_view text) {
  const bool is_utf8 = valid_utf8_prefix_bytes(text) == text.size();
  const auto is_space = [&](size_t at) {
    if (static_cast<u8>(text[at]) < 0x80) return is_python_space(static_cast<u8>(text[at]));
    return is_utf8 && is_python_space(decode_utf8(text, at).value);
  };
  size_t end = text.size();
  while (end > 0) {
    const size_t last = is_utf8 ? last_character(text, end) : end - 1;
    if (!is_space(last)) break;
    end = last;
  }
  size_t begin = 0;
  while (begin < end && is_space(begin)) {
    begin += is_utf8 ? decode_utf8(text, begin).num_bytes : 1;
  }
  return text.substr(begin, end - begin);
}

std::string_view without_leading_newlines(std::string_view text) {
  return text.substr(std::min(text.find_first_not_of('\n'), text.size()));
}

std::string_view without_trailing_newlines(std::string_view text) {
  return text.substr(0, text.find_last_not_of('\n') + 1);
}

}  // namespace fathom::tokenizer
