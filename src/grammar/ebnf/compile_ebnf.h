#pragma once
// Grammars in GBNF, the notation of llama.cpp.
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "grammar/rules/rule_arena.h"

namespace fathom::grammar {

/// What the rule `root` of `text` matches: rules  name ::= ...  of literals "...", classes [...]
/// and
/// [^...], any character ., references, groups and the repetitions * + ? {m} {m,} {m,n}; # begins a
/// comment. Beyond llama.cpp: a | may begin a line, a name may hold a _, a rule that begins with
/// itself is read as the repetition that it means. Refused by name: tokens (<name>); a rule that
/// begins with itself in a roundabout way is found by RuleArena::finish(). Errors give line and
/// column. What is not recursive becomes regular expressions. Throws BudgetError.
/// Source: llama.cpp, grammars/README.md and src/llama-grammar.cpp.
Result<Expr> compile_ebnf(RuleArena& arena, std::string_view text);

/// The names of rules that `root` does not use, in the order of the text: for warnings.
Result<std::vector<std::string>> unused_ebnf_rules(std::string_view text);

}  // namespace fathom::grammar
