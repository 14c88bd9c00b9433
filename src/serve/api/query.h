#pragma once
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "serve/api/error.h"

namespace fathom::serve {

/// The values of "a=1&b=x%20y" by name; "+" is a space. 400 for a name that is not one of `names`,
/// a name that stands twice, and a "%" that no two hexadecimal digits follow.
ApiResult<std::map<std::string, std::string>> read_query(std::string_view query,
                                                         std::span<const std::string_view> names);

}  // namespace fathom::serve
