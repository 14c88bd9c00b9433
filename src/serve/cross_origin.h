#pragma once
// Web pages of other origins (CORS), where an operator lists them.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "serve/http/response.h"

namespace fathom::serve {

/// "https://chat.example.org" or "http://localhost:3000": scheme, host and perhaps a port, as
/// browsers write an Origin.
bool is_origin(std::string_view text);

/// The list may change while requests are answered.
class CrossOrigin {
 public:
  explicit CrossOrigin(std::vector<std::string> origins) : origins_(std::move(origins)) {}
  void set(std::vector<std::string> origins) {
    const Lock lock(mutex_);
    origins_ = std::move(origins);
  }

  /// What a response to this request needs for the page to read it; nothing where its origin is not
  /// listed, or it has none.
  std::vector<http::Header> headers(const http::Request& request) const;
  /// The answer to a browser that asks, before its request, whether a listed page may send it.
  /// `verbs`: of the path.
  std::optional<http::Response> preflight(const http::Request& request,
                                          const std::string& verbs) const;

 private:
  bool has(std::string_view origin) const;

  mutable Mutex mutex_;
  std::vector<std::string> origins_ FATHOM_GUARDED_BY(mutex_);
};

}  // namespace fathom::serve
