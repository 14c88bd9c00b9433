#pragma once
// The text files of this folder and the libraries that the page uses, embedded by the build
// (src/CMakeLists.txt). A library that the build did not find is empty.
#include <string_view>

namespace fathom::serve {

extern const std::string_view kIndexHtml;
extern const std::string_view kAppCss;
extern const std::string_view kAppJs;
extern const std::string_view kAnswerJs;
extern const std::string_view kApiJs;
extern const std::string_view kDomJs;
extern const std::string_view kMarkdownJs;
extern const std::string_view kMathJs;
extern const std::string_view kMessageJs;
extern const std::string_view kSafeHtmlJs;
extern const std::string_view kSettingsJs;
extern const std::string_view kSidebarJs;
extern const std::string_view kStoreJs;
extern const std::string_view kTextsJs;
extern const std::string_view kThreadJs;
extern const std::string_view kTransferJs;
extern const std::string_view kTreeJs;
extern const std::string_view kIconSvg;
extern const std::string_view kMarked;
extern const std::string_view kKatex;
extern const std::string_view kHighlight;

}  // namespace fathom::serve
