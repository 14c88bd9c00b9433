#pragma once
// What every page is made of: style and scripts, embedded by the build (cmake/fathom_embed.cmake).
#include <string_view>

namespace fathom::report {

extern const std::string_view kPageCss;
extern const std::string_view kCommonJs;
extern const std::string_view kChartJs;
extern const std::string_view kHeatmapJs;

}  // namespace fathom::report
