#pragma once
#include <string_view>
#include <vector>

#include "base/types.h"

namespace fathom::cli {

/// Token ids from text with any of space, comma, line end and brackets between them. Throws
/// Error{kInvalidInput} that shows the first word that is no integer.
std::vector<i32> parse_token_ids(std::string_view text);

}  // namespace fathom::cli
