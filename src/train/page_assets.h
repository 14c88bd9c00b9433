#pragma once
// The text files of src/train/page/, embedded by the build (cmake/fathom_embed.cmake).
#include <string_view>

namespace fathom::train {

extern const std::string_view kReportHtml;
extern const std::string_view kComparisonHtml;
extern const std::string_view kReportCss;
extern const std::string_view kCommonJs;
extern const std::string_view kChartJs;
extern const std::string_view kHeatmapJs;
extern const std::string_view kReportJs;
extern const std::string_view kComparisonJs;

}  // namespace fathom::train
