#pragma once
// Patterns as JSON Schema has them: ECMA-262, read by code points (the flag u).
#include <string_view>

#include "base/error.h"
#include "grammar/regex/characters.h"
#include "grammar/regex/regex_arena.h"

namespace fathom::grammar {

inline constexpr size_t kMaxRegexBytes = size_t{64} << 10;
inline constexpr u32 kMaxRepetitions = 10'000;

/// What `pattern` matches, ^ and $ as the bytes of anchors.h: found_in() or whole_text() gives them
/// their meaning. Groups and lazy quantifiers say nothing about the language. What ECMA-262 allows
/// only without the flag u (Annex B: \- or \_ for - or _, a lone ] or } or {) is read as it means
/// there. The error names the construct and its byte: look-around, back-references, \b, \B and
/// inline flags among others. Throws BudgetError.
/// Source: ECMA-262 2024, §22.2.1 and Annex B.1.2.
Result<Regex> parse_regex(RegexArena& arena, std::string_view pattern, Spelling spelling);

}  // namespace fathom::grammar
