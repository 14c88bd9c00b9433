#include "serve/known_host.h"

#include <algorithm>

namespace fathom::serve {
namespace {

/// Of a Host header, without the port and the brackets of an IPv6 address.
std::string_view host_name(std::string_view host) {
  if (host.starts_with('[')) return host.substr(1, host.find(']') - 1);
  return host.substr(0, host.rfind(':'));
}

bool is_own_name(std::string_view name) {
  return name == "localhost" || name == "::1" || name.starts_with("127.") ||
         name.ends_with(".localhost");
}

}  // namespace

bool is_known_host(const http::Request& head, const std::vector<std::string>& allowed) {
  const std::string_view name = host_name(head.header("host").value_or("localhost"));
  return is_own_name(name) || std::ranges::find(allowed, name) != allowed.end();
}

ApiError unknown_host() {
  return {.status = 421,
          .code = "misdirected_request",
          .message = "this server is not known by the Host of the request"};
}

}  // namespace fathom::serve
