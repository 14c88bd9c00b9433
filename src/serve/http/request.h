#pragma once
// What the HTTP layer gives to whoever answers. Nothing here knows a socket.
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace fathom::serve::http {

struct Header {
  std::string name;  // of a request in lower case
  std::string value;
};

/// With small letters for A to Z.
std::string lower(std::string_view text);
/// The value of the first header of this name, given in lower case; nullopt: there is none.
std::optional<std::string_view> find_header(const std::vector<Header>& headers,
                                            std::string_view name);

struct Request {
  std::string method;  // "GET"
  std::string path;    // of the target, before "?", not decoded
  std::string query;   // behind it
  std::vector<Header> headers;
  std::string body;  // whole; empty while only the header is known
  std::string peer;  // the address that it comes from; of the client where a trusted proxy asks
  Clock::time_point received = {};
  /// Set when the client went away: what is not begun yet need not be.
  std::shared_ptr<const std::atomic<bool>> client_gone;

  std::optional<std::string_view> header(std::string_view name) const {
    return find_header(headers, name);
  }
};

}  // namespace fathom::serve::http
