#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace fathom::eval {

/// What stands in the last \boxed{...} (or \fbox{...}, "\boxed x$") of a text; nullopt without.
std::optional<std::string> last_boxed(std::string_view text);

}  // namespace fathom::eval
