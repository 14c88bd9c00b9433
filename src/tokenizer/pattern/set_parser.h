#pragma once
// Internal to pattern/: the atoms of a pattern that stand for one character.
#include "tokenizer/pattern/pattern_cursor.h"
#include "tokenizer/unicode/code_point_set.h"

namespace fathom::tokenizer {

/// Reads one of ".", a class, an escape or a literal at the cursor into `set` and moves behind it.
/// Returns false after refuse().
bool parse_set(PatternCursor& at, CodePointSet& set);

}  // namespace fathom::tokenizer
