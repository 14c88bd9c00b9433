#pragma once
// Embedded by the build.
#include <string_view>

namespace fathom::eval {

extern const std::string_view kPageHtml;
extern const std::string_view kPageOwnCss;
extern const std::string_view kPageJs;

}  // namespace fathom::eval
