#pragma once
// Internal to ebnf/: how far the parser has come, and what stopped it.
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/types.h"

namespace fathom::grammar {

struct EbnfCursor {
  std::string_view text;
  size_t pos = 0;
  std::optional<Error> error = {};

  bool at_end() const { return pos >= text.size(); }
  /// NUL, which is none of the syntax, behind the end.
  char peek(size_t ahead = 0) const { return pos + ahead < text.size() ? text[pos + ahead] : '\0'; }
  bool take(std::string_view token) {
    if (!text.substr(pos).starts_with(token)) return false;
    pos += token.size();
    return true;
  }
  enum class Lines { kThisOne, kAny };
  /// White space and comments; line ends too if `lines` is kAny.
  void skip_space(Lines lines);

  // Both return false, for the caller to return. The first reason stays.
  /// "line 3, column 5: expected <what>, found \"...\""
  bool expected(std::string_view what);
  bool stop(ErrorCode code, std::string_view what);
};

/// "line 3, column 5": both from 1, columns in characters. O(offset).
std::string place_of(std::string_view text, size_t offset);

}  // namespace fathom::grammar
