#pragma once
// str's methods that the templates use. Text need not be valid UTF-8: then only ASCII counts as
// white space.
#include <string_view>

namespace fathom::tokenizer {

/// text.strip(), Jinja's `trim`: without white space, as Python counts it, at both ends.
std::string_view python_strip(std::string_view text);
/// text.lstrip("\n") and text.rstrip("\n").
std::string_view without_leading_newlines(std::string_view text);
std::string_view without_trailing_newlines(std::string_view text);

}  // namespace fathom::tokenizer
