#pragma once
#include <span>

#include "base/function_ref.h"
#include "grammar/regex/regex_arena.h"

namespace fathom::grammar {

/// Symbols of one position, such as decimal digits or the bytes of a UTF-8 character.
struct Symbols {
  u32 first = 0, last = 0;  // the least and the greatest there is
  /// The expression of all symbols from one to another, both among them.
  FunctionRef<Regex(u32 first, u32 last)> between;
};

/// All texts of as many symbols as `low` and `high` have that lie between them, both included, in
/// the order of their symbols. `symbols` describes every position but the first, whose symbols go
/// from low[0] to high[0] by the same `between`. low <= high.
Regex symbols_between(RegexArena& arena, std::span<const u32> low, std::span<const u32> high,
                      const Symbols& symbols);

}  // namespace fathom::grammar
