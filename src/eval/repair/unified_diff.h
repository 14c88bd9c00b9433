#pragma once
#include <string>
#include <string_view>

namespace fathom::eval {

/// What `git diff` prints of one file, without the line of hashes: three lines of context, "\ No
/// newline at end of file". "" where both are equal; `is_new`: the file was not there before.
std::string unified_diff(std::string_view path, std::string_view before, std::string_view after,
                         bool is_new = false);

}  // namespace fathom::eval
