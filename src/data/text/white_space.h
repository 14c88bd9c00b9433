#pragma once

namespace fathom::data {

/// ASCII's white space, as C's isspace has it in every locale.
constexpr bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

}  // namespace fathom::data
