#include "serve/page/page.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "serve/page/page_assets.h"

namespace fathom::serve {
namespace {

constexpr std::string_view kHtml = "text/html; charset=utf-8";
constexpr std::string_view kCss = "text/css; charset=utf-8";
constexpr std::string_view kScript = "text/javascript; charset=utf-8";

// Only what this server itself sends is loaded, run or asked: no script of an answer, no picture from
// elsewhere, no frame of another site around the page.
constexpr std::string_view kPolicy =
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'";

struct Asset {
  std::string_view path;
  std::string_view type;
  std::string_view text;
  std::string tag;  // of the contents, for ETag
};

std::vector<Asset> make_assets() {
  std::vector<Asset> assets = {
      {"/", kHtml, kIndexHtml, {}},
      {"/page/app.css", kCss, kAppCss, {}},
      {"/page/icon.svg", "image/svg+xml", kIconSvg, {}},
      {"/page/app.js", kScript, kAppJs, {}},
      {"/page/answer.js", kScript, kAnswerJs, {}},
      {"/page/api.js", kScript, kApiJs, {}},
      {"/page/dom.js", kScript, kDomJs, {}},
      {"/page/markdown.js", kScript, kMarkdownJs, {}},
      {"/page/math.js", kScript, kMathJs, {}},
      {"/page/message.js", kScript, kMessageJs, {}},
      {"/page/safe_html.js", kScript, kSafeHtmlJs, {}},
      {"/page/settings.js", kScript, kSettingsJs, {}},
      {"/page/sidebar.js", kScript, kSidebarJs, {}},
      {"/page/store.js", kScript, kStoreJs, {}},
      {"/page/texts.js", kScript, kTextsJs, {}},
      {"/page/thread.js", kScript, kThreadJs, {}},
      {"/page/transfer.js", kScript, kTransferJs, {}},
      {"/page/tree.js", kScript, kTreeJs, {}},
      {"/page/library/marked.js", kScript, kMarked, {}},
      {"/page/library/katex.js", kScript, kKatex, {}},
      {"/page/library/highlight.js", kScript, kHighlight, {}},
  };
  for (Asset& asset : assets) {
    asset.tag = fmt::format("\"{:016x}\"", std::hash<std::string_view>{}(asset.text));
  }
  return assets;
}

const Asset* find_asset(std::string_view path) {
  static const auto& assets = *new std::vector<Asset>(make_assets());  // outlives every thread
  const auto at =
      std::find_if(assets.begin(), assets.end(), [&](const Asset& a) { return a.path == path; });
  return at == assets.end() ? nullptr : &*at;
}

}  // namespace

bool is_page(std::string_view path) { return find_asset(path) != nullptr; }

std::optional<http::Response> page_response(std::string_view path, const http::Request& request) {
  const Asset* const asset = find_asset(path);
  if (asset == nullptr) return std::nullopt;
  http::Response response;
  response.headers = {{"ETag", asset->tag},
                      {"Cache-Control", "no-cache"},
                      {"Content-Security-Policy", std::string(kPolicy)},
                      {"Cross-Origin-Opener-Policy", "same-origin"},
                      {"Referrer-Policy", "no-referrer"}};
  if (request.header("if-none-match").value_or("") == asset->tag) {
    response.status = 304;
    return response;
  }
  response.headers.push_back({"Content-Type", std::string(asset->type)});
  response.body = asset->text;
  return response;
}

}  // namespace fathom::serve
