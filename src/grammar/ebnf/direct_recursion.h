#pragma once
// Internal to ebnf/.
#include "grammar/ebnf/syntax.h"

namespace fathom::grammar {

/// Writes a rule that begins or ends with itself as a repetition, which matches the same texts:
/// a ::= a x | b  is  b x*,  and  a ::= x a | b  is  x* b. The first could not be used otherwise;
/// the second is regular then if x and b are. `rule`: its index.
void repeat_instead_of_recursion(EbnfChoices& choices, size_t rule);

}  // namespace fathom::grammar
