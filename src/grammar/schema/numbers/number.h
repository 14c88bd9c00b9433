#pragma once
// The numbers that a schema allows, as JSON spells them.
#include <optional>

#include "base/error.h"
#include "grammar/regex/regex_arena.h"
#include "grammar/schema/numbers/decimal.h"

namespace fathom::grammar {

struct NumberRange {
  std::optional<Decimal> min, max;
  bool exclusive_min = false, exclusive_max = false;
  std::optional<Decimal> multiple_of;  // above 0
  bool integer = false;                // 1.0 is one (JSON Schema from draft 6 on)
};

/// Every spelling of every such number without an exponent; compared exactly, -0 is 0. With an
/// exponent: without any bound every spelling; with bounds those with one digit other than 0 before
/// the point and an exponent from -307 to 307, as programs print them; of integers and multiples
/// none. nothing() if no number is left. The error (kUnsupported) is about a multiple_of whose
/// digits are too many to count with. Throws BudgetError.
Result<Regex> number_regex(RegexArena& arena, const NumberRange& range);

}  // namespace fathom::grammar
