#pragma once
// The spellings without sign and exponent of the decimal numbers between two bounds.
#include <optional>
#include <string_view>

#include "grammar/regex/regex_arena.h"
#include "grammar/schema/numbers/decimal.h"

namespace fathom::grammar {

/// Not negative.
struct DecimalBound {
  Decimal value;
  bool exclusive = false;
};

/// Integers without leading zeros from `low` to `high`, both among them; no `high`: without end.
/// Both are spelled that way. nothing() if low > high.
Regex integers_between(RegexArena& arena, std::string_view low, std::optional<std::string> high);

/// Numbers such as 0, 12.50 or 0.001 from `low` to `high`; no `high`: without end. nothing() if
/// there is none.
Regex decimals_between(RegexArena& arena, const DecimalBound& low,
                       const std::optional<DecimalBound>& high);

/// As decimals_between(), of the integers alone; they may end in .0, .00 and so on.
Regex whole_decimals_between(RegexArena& arena, const DecimalBound& low,
                             const std::optional<DecimalBound>& high);

/// "", or a point and digits.
Regex any_fraction(RegexArena& arena);
/// One digit from `first` to `last`.
Regex digits_between(RegexArena& arena, char first, char last);

}  // namespace fathom::grammar
