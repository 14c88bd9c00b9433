#pragma once
// The multiples between two bounds, as JSON spells them without sign and exponent.
#include <optional>

#include "grammar/regex/regex_arena.h"
#include "grammar/schema/numbers/decimal_range.h"

namespace fathom::grammar {

/// Those of of.modulus * 10^-of.places from `low` to `high`; no `high`: without end. nothing() if
/// there is none. Made without an intersection: whatever it begins it can end, so that nobody has
/// to search for the end.
Regex multiples_between(RegexArena& arena, const DecimalBound& low,
                        const std::optional<DecimalBound>& high, const MultipleOf& of);

}  // namespace fathom::grammar
