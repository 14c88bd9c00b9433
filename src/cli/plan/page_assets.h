#pragma once
// What the page of a plan is made of, embedded by the build.
#include <string_view>

namespace fathom::cli {

extern const std::string_view kPlanHtml;
extern const std::string_view kPlanCss;
extern const std::string_view kPlanJs;

}  // namespace fathom::cli
