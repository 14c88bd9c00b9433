#pragma once
// Internal to pattern/: how far the parsers have come in a pattern, and what stopped them.
#include <string>
#include <string_view>

namespace fathom::tokenizer {

struct PatternCursor {
  std::string_view text;
  size_t pos = 0;
  std::string error = {};

  std::string_view rest() const { return text.substr(pos); }
  /// Returns false, for the caller to return. The first reason is the innermost and the exact one:
  /// later ones do not replace it.
  bool refuse(std::string_view what);
};

}  // namespace fathom::tokenizer
