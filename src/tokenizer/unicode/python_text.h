#pragma once
// str's methods that the templates use. Text need not be valid UTF-8: then only ASCII counts as
// white space.
#include <string_view>

namespace fathom::tokenizer {

/// Unicode's White_Space and the four separators U+001C to U+001F.
bool is_python_space(char32_t character);
/// text.strip(), Jinja's `trim`: without white space, as Python counts it, at both ends.
std::string_view python_strip(std::string_view text);
/// text.lstrip() and text.rstrip().
std::string_view python_strip_left(std::string_view text);
std::string_view python_strip_right(std::string_view text);
/// text.lstrip("\n") and text.rstrip("\n").
std::string_view without_leading_newlines(std::string_view text);
std::string_view without_trailing_newlines(std::string_view text);

}  // namespace fathom::tokenizer
