#pragma once
// The regular expressions that tokenizer.json files hold, in the syntax of Oniguruma (which is what
// Hugging Face `tokenizers` runs them with), read into items whose character classes are explicit
// sets of code points. That settles three differences between engines at once: the Unicode version
// of \p{..}, the meaning of \s and \h, and class intersection (&&).
//
// Not a full Oniguruma: what pattern.cc and set_parser.cc do not list is refused by name.
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/types.h"
#include "tokenizer/unicode/code_point_set.h"

namespace fathom::tokenizer {

struct Quantifier {
  static constexpr u32 kUnbounded = ~u32{0};
  enum class Mode : u8 { kGreedy, kLazy, kPossessive };

  u32 min = 1;
  u32 max = 1;
  Mode mode = Mode::kGreedy;

  bool operator==(const Quantifier&) const = default;
};

/// One character out of `set`, or, if `structure` is not empty, a piece of syntax such as "(?:" or
/// "|"; either may be repeated (a group at its ")").
struct PatternItem {
  std::string structure;
  CodePointSet set;
  Quantifier repeat;
};

using Pattern = std::vector<PatternItem>;

inline constexpr size_t kMaxPatternBytes = size_t{16} << 10;

/// `text` must be valid UTF-8. The error's message names the construct and its byte position.
Result<Pattern> parse_pattern(std::string_view text);

/// A pattern that matches exactly `text`.
Pattern literal_pattern(std::string_view text);

/// The same expression for PCRE2 with PCRE2_UTF and PCRE2_MULTILINE, classes as explicit ranges.
std::string pcre2_text(const Pattern& pattern);

}  // namespace fathom::tokenizer
