#pragma once
// Internal to parse_regex.
#include <optional>
#include <string_view>

#include "tokenizer/unicode/code_point_set.h"

namespace fathom::grammar {

/// What \p{name} of ECMA-262 §22.2.1 means: a general category by its short or long name, also as
/// General_Category=Lu or gc=Lu; Any, ASCII, Assigned, White_Space; a script that the tokenizer's
/// table has, as Script=Han, sc=Han or Han alone. nullopt for all others.
std::optional<tokenizer::CodePointSet> find_ecma_property(std::string_view name);

}  // namespace fathom::grammar
