#pragma once
// Internal to ebnf/: literals and classes of characters.
#include "grammar/ebnf/ebnf_cursor.h"
#include "grammar/ebnf/syntax.h"

namespace fathom::grammar {

/// "..." at the cursor. Returns false after stop().
bool parse_literal(EbnfCursor& at, EbnfTerm& term);
/// [...] or [^...] at the cursor. Returns false after stop().
bool parse_class(EbnfCursor& at, EbnfTerm& term);

}  // namespace fathom::grammar
