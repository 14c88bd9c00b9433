#pragma once
// Internal to format.cc.
#include "grammar/regex/characters.h"
#include "grammar/regex/regex_arena.h"

namespace fathom::grammar {

/// Patterns that ECMA-262 takes, with or without the flag u. Not all: groups nest at most 10 deep,
/// there are no named groups, back-references, look-behinds and properties, a range begins with an
/// ASCII character, and {m,n} has at most three digits each.
Regex pattern_format(RegexArena& arena, Spelling spelling);

}  // namespace fathom::grammar
