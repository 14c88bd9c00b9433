#pragma once
// Patterns as JSON Schema has them: ECMA-262, read by code points (the flag u).
#include <string_view>

#include "base/error.h"
#include "grammar/regex/characters.h"
#include "grammar/regex/regex_arena.h"

namespace fathom::grammar {

inline constexpr size_t kMaxRegexBytes = size_t{64} << 10;
inline constexpr u32 kMaxRepetitions = 10'000;

// Groups and lazy quantifiers say nothing about the language. What ECMA-262 allows only without the
// flag u (Annex B: \- or \_ for - or _, a lone ] or } or {) is read as it means there. Look-aheads
// are taken where they are conditions of the whole text: ^(?!a)b and ^((?!a).)*$. Errors name the
// construct and its byte: other look-around, back-references, \b, \B and inline flags among what is
// refused. All throw BudgetError.
// Source: ECMA-262 2024, §22.2.1 and Annex B.1.2.

/// The texts in which `pattern` is found: what a pattern of JSON Schema means.
Result<Regex> texts_with(RegexArena& arena, std::string_view pattern, Spelling spelling);
/// The texts that `pattern` matches as a whole.
Result<Regex> whole_texts(RegexArena& arena, std::string_view pattern, Spelling spelling);

/// A pattern without look-aheads as it is, ^ and $ as the bytes of anchors.h: found_in() or
/// whole_text() gives them their meaning.
Result<Regex> parse_regex(RegexArena& arena, std::string_view pattern, Spelling spelling);

}  // namespace fathom::grammar
