#pragma once
// ^ and $ as bytes that no text has, until they are resolved.
#include "grammar/regex/regex_arena.h"

namespace fathom::grammar {

/// What stands for ^ and $ in the expression of a pattern.
inline constexpr u8 kStartOfText = 0xFE;
inline constexpr u8 kEndOfText = 0xFF;

/// The texts of `any_text` in which `pattern` is found somewhere, its anchors, wherever they stand,
/// holding at the text's two ends: what a pattern of JSON Schema means. `pattern` has no
/// intersection or complement inside.
Regex found_in(RegexArena& arena, Regex pattern, Regex any_text);
/// The texts that `pattern` matches as a whole, its anchors wherever they stand.
Regex whole_text(RegexArena& arena, Regex pattern);

}  // namespace fathom::grammar
