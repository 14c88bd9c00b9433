#pragma once
// The text files of this folder, embedded by the build (cmake/fathom_embed.cmake).
#include <string_view>

namespace fathom::cli {

extern const std::string_view kQuantizationHtml;
extern const std::string_view kQuantizationCss;
extern const std::string_view kQuantizationJs;

}  // namespace fathom::cli
