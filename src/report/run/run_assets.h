#pragma once
// Frames and scripts of the pages of one run and of several, embedded by the build
// (cmake/fathom_embed.cmake).
#include <string_view>

namespace fathom::report {

extern const std::string_view kReportHtml;
extern const std::string_view kReportJs;
extern const std::string_view kComparisonHtml;
extern const std::string_view kComparisonJs;

}  // namespace fathom::report
