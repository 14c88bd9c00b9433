#pragma once
// Internal to config/: integers as writers of JSON spell them.
#include <optional>

#include "base/types.h"

namespace fathom::io {
class JsonValue;
}

namespace fathom {

/// The integer that a JSON number stands for: 4096, and 4096.0 as some writers have it. nullopt for
/// other kinds, fractions, and what a double does not hold exactly (2^53 and more).
std::optional<i64> whole_number(const io::JsonValue& value);

}  // namespace fathom
