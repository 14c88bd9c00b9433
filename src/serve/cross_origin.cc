#include "serve/cross_origin.h"

#include <algorithm>

namespace fathom::serve {
namespace {

constexpr const char* kReadable =
    "x-request-id, x-fathom-ignored, x-fathom-max-tokens, retry-after, retry-after-ms, "
    "x-ratelimit-remaining-requests, x-ratelimit-remaining-tokens";
constexpr const char* kPreflightHoldsS = "600";

/// Names of headers, as a list; anything else is nothing.
std::string header_names(std::string_view text) {
  const auto is_harmless = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == ',' || c == ' ';
  };
  return std::ranges::all_of(text, is_harmless) ? std::string(text) : std::string();
}

}  // namespace

bool is_origin(std::string_view text) {
  const bool is_tls = text.starts_with("https://");
  if (!is_tls && !text.starts_with("http://")) return false;
  text.remove_prefix(is_tls ? 8 : 7);
  const auto is_of_host = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == ':' ||
           c == '[' || c == ']';
  };
  return !text.empty() && std::ranges::all_of(text, is_of_host);
}

bool CrossOrigin::has(std::string_view origin) const {
  const Lock lock(mutex_);
  return std::ranges::find(origins_, origin) != origins_.end();
}

std::vector<http::Header> CrossOrigin::headers(const http::Request& request) const {
  const auto origin = request.header("origin");
  if (!origin || !has(*origin)) return {};
  return {{"Access-Control-Allow-Origin", std::string(*origin)},
          {"Access-Control-Expose-Headers", kReadable},
          {"Vary", "Origin"}};
}

std::optional<http::Response> CrossOrigin::preflight(const http::Request& request,
                                                     const std::string& verbs) const {
  const auto origin = request.header("origin");
  const auto verb = request.header("access-control-request-method");
  if (request.method != "OPTIONS" || !verb || !origin || !has(*origin)) return std::nullopt;
  http::Response response{.status = 204};
  response.headers = headers(request);
  response.headers.push_back({"Access-Control-Allow-Methods", verbs});
  response.headers.push_back({"Access-Control-Max-Age", kPreflightHoldsS});
  const auto wanted = request.header("access-control-request-headers").value_or("");
  if (std::string names = header_names(wanted); !names.empty()) {
    response.headers.push_back({"Access-Control-Allow-Headers", std::move(names)});
  }
  return response;
}

}  // namespace fathom::serve
