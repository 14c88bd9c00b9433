#pragma once
// Internal to ebnf/.
#include <string_view>
#include <vector>

#include "base/error.h"
#include "grammar/ebnf/syntax.h"

namespace fathom::grammar {

/// Sets EbnfTerm::rule of every reference. Errors name with their places in `text` the rules that
/// are not defined, or one that is defined twice; also if there is no rule root.
Result<void> resolve_names(std::string_view text, std::vector<EbnfRule>& rules);

}  // namespace fathom::grammar
