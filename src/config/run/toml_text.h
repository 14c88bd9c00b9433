#pragma once
// Internal to config/: what the TOML library must not be given.
#include <optional>
#include <string_view>

#include "base/types.h"

namespace fathom {

struct TextPlace {
  i64 line = 1;    // both from 1
  i64 column = 1;  // in bytes
};

/// The first character outside ASCII that stands neither in a string nor in a comment, where TOML
/// has no place for one; nullopt if there is none. toml++ 3.3, which Debian 12 ships, runs into
/// undefined behaviour there (is_non_ascii_horizontal_whitespace of U+00A1 to U+0499). The same
/// function sees what follows a line-ending backslash in a multi-line string, so that place counts
/// too.
std::optional<TextPlace> find_stray_character(std::string_view toml);

}  // namespace fathom
