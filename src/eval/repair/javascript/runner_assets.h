#pragma once
// Embedded by the build.
#include <string_view>

namespace fathom::eval {

extern const std::string_view kRunTestsMjs;
extern const std::string_view kHooksMjs;
extern const std::string_view kJestMjs;

}  // namespace fathom::eval
