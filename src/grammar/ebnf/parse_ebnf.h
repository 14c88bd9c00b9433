#pragma once
// Internal to ebnf/.
#include <string_view>
#include <vector>

#include "base/error.h"
#include "grammar/ebnf/syntax.h"

namespace fathom::grammar {

inline constexpr size_t kMaxEbnfBytes = size_t{1} << 20;

/// The rules in their order, references resolved. Errors say the line and column: of what is no
/// grammar, of rules that are not defined or defined twice, and where there is no rule `root`.
Result<std::vector<EbnfRule>> parse_ebnf(std::string_view text);

/// The index of `root`, which parse_ebnf() found.
size_t root_of(const std::vector<EbnfRule>& rules);

}  // namespace fathom::grammar
