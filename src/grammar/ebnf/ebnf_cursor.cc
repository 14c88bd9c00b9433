#include "grammar/ebnf/ebnf_cursor.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "tokenizer/unicode/utf8.h"

namespace fathom::grammar {

std::string place_of(std::string_view text, size_t offset) {
  const std::string_view before = text.substr(0, offset);
  const size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0
  const std::string_view line = before.substr(line_start);
  const auto starts_character = [](char byte) { return (static_cast<u8>(byte) & 0xC0) != 0x80; };
  return fmt::format("line {}, column {}", 1 + std::count(before.begin(), before.end(), '\n'),
                     1 + std::count_if(line.begin(), line.end(), starts_character));
}

void EbnfCursor::skip_space(Lines lines) {
  while (!at_end()) {
    const char c = peek();
    if (c == '#') {
      pos = std::min(text.find_first_of("\r\n", pos), text.size());
    } else if (c == ' ' || c == '\t' || (lines == Lines::kAny && (c == '\r' || c == '\n'))) {
      ++pos;
    } else {
      return;
    }
  }
}

bool EbnfCursor::expected(std::string_view what) {
  if (at_end())
    return stop(ErrorCode::kInvalidInput, fmt::format("expected {}, found the end", what));
  const std::string_view line = text.substr(pos, text.substr(pos).find_first_of("\r\n"));
  const size_t shown = tokenizer::valid_utf8_prefix_bytes(line.substr(0, 20));
  const std::string found = line.empty() ? "the end of the line"
                                         : fmt::format("\"{}\"", printable(line.substr(0, shown)));
  return stop(ErrorCode::kInvalidInput, fmt::format("expected {}, found {}", what, found));
}

bool EbnfCursor::stop(ErrorCode code, std::string_view what) {
  if (!error) error = Error(code, fmt::format("{}: {}", place_of(text, pos), what));
  return false;
}

}  // namespace fathom::grammar
