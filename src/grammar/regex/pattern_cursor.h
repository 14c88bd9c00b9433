#pragma once
// Internal to parse_regex: how far it has come in a pattern, and what stopped it.
#include <string>
#include <string_view>

#include "base/error.h"

namespace fathom::grammar {

struct PatternCursor {
  std::string_view text;
  size_t pos = 0;
  std::string error = {};
  ErrorCode code = ErrorCode::kInvalidInput;

  bool at_end() const { return pos >= text.size(); }
  /// The byte at the cursor, or NUL, which is none of the syntax, behind the end.
  char peek(size_t ahead = 0) const { return pos + ahead < text.size() ? text[pos + ahead] : '\0'; }
  std::string_view rest() const { return text.substr(pos); }
  /// Moves behind `token` if it is next.
  bool take(std::string_view token) {
    if (!rest().starts_with(token)) return false;
    pos += token.size();
    return true;
  }

  // Both return false, for the caller to return. The first reason stays.
  /// It is no pattern: "<what> at byte 3 ("(?<")".
  bool reject(std::string_view what) { return stop(ErrorCode::kInvalidInput, what, ""); }
  /// It is one that this program does not take: "<what> at byte 3 ("(?<") is not supported".
  bool refuse(std::string_view what) {
    return stop(ErrorCode::kUnsupported, what, " is not supported");
  }

 private:
  bool stop(ErrorCode why, std::string_view what, std::string_view ending);
};

}  // namespace fathom::grammar
