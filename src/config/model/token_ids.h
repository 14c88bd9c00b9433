#pragma once
// Internal to config/: the one reader of token id lists, used by both config files.
#include <string_view>
#include <vector>

#include "base/types.h"
#include "config/problems.h"

namespace fathom {

namespace io {
class JsonValue;
}

/// `key` as one token id or a list of them; absent, null or a problem: empty.
std::vector<i64> read_token_ids(const io::JsonValue& json, std::string_view key,
                                Problems& problems);

}  // namespace fathom
