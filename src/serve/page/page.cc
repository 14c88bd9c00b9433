#include "serve/page/page.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "serve/page/page_assets.h"

namespace fathom::serve {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kTypes = {
    {{".html", "text/html; charset=utf-8"},
     {".css", "text/css; charset=utf-8"},
     {".js", "text/javascript; charset=utf-8"},
     {".svg", "image/svg+xml"}}};

// Where a page is beside its file's own path.
constexpr std::array<std::pair<std::string_view, std::string_view>, 2> kPages = {
    {{"/", "chat/index.html"}, {"/admin", "admin/index.html"}}};

// Only what this server itself sends is loaded, run or asked: no script of an answer, no picture
// from elsewhere, no frame of another site around the page.
constexpr std::string_view kPolicy =
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'";

struct Asset {
  std::string path;
  std::string_view type;
  std::string_view text;
  std::string tag;  // of the contents, for ETag
};

std::string_view type_of(std::string_view path) {
  for (const auto& [ending, type] : kTypes) {
    if (path.ends_with(ending)) return type;
  }
  return "application/octet-stream";
}

/// Pages stand at their addresses alone: elsewhere their relative links would lead nowhere.
std::string address_of(std::string_view file) {
  for (const auto& [address, page] : kPages) {
    if (file == page) return std::string(address);
  }
  return fmt::format("/page/{}", file);
}

std::vector<Asset> make_assets() {
  std::vector<Asset> assets;
  for (const auto& [path, text] : page_files()) {
    assets.push_back({.path = address_of(path),
                      .type = type_of(path),
                      .text = text,
                      .tag = fmt::format("\"{:016x}\"", std::hash<std::string_view>{}(text))});
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
  if (path != "/" && request.path.ends_with('/')) {
    // Links of "/admin/" would begin there, so the browser is sent to where they lead somewhere.
    response.status = 308;
    response.headers = {{"Location", fmt::format("..{}", path.substr(path.rfind('/')))}};
    return response;
  }
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
