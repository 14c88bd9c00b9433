#pragma once
// Internal to parse_regex: what of a pattern stands for one character.
#include "grammar/regex/pattern_cursor.h"
#include "tokenizer/unicode/code_point_set.h"

namespace fathom::grammar {

/// Reads a ".", a class, an escape or a character at the cursor into `set` and moves behind it.
/// Returns false after reject() or refuse().
bool parse_character(PatternCursor& at, tokenizer::CodePointSet& set);

}  // namespace fathom::grammar
