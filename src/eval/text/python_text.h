#pragma once
// str's methods as Python has them, on valid UTF-8.
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "tokenizer/unicode/python_text.h"

namespace fathom::eval {

/// len(text): code points.
i64 num_characters(std::string_view text);
/// str.strip(), .lstrip(), .rstrip().
inline std::string_view strip(std::string_view text) { return tokenizer::python_strip(text); }
inline std::string_view strip_left(std::string_view text) {
  return tokenizer::python_strip_left(text);
}
inline std::string_view strip_right(std::string_view text) {
  return tokenizer::python_strip_right(text);
}
/// Bytes of white space that a line begins with.
inline size_t indent_of(std::string_view line) { return line.size() - strip_left(line).size(); }
/// str.lower() and .upper() of ASCII, Latin, Greek and Cyrillic letters; others stay.
std::string lower(std::string_view text);
std::string upper(std::string_view text);
/// str.capitalize(): the first letter large and all others small.
std::string capitalize(std::string_view text);
/// str.replace(from, to); `from` is not empty.
std::string replace_all(std::string_view text, std::string_view from, std::string_view to);
/// str.split(separator); an empty separator is str.split(): at runs of white space.
std::vector<std::string> split(std::string_view text, std::string_view separator);
std::string join(const std::vector<std::string>& parts, std::string_view separator);

}  // namespace fathom::eval
