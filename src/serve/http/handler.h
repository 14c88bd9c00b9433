#pragma once
#include <functional>
#include <optional>

#include "serve/http/response.h"

namespace fathom::serve::http {

/// Who answers. Called by the HTTP threads, which serve everybody: neither function may wait.
class Handler {
 public:
  virtual ~Handler() = default;
  /// The header has come, the body has not: what is refused here costs its sender no upload.
  virtual std::optional<Response> refuse(const Request& head) = 0;
  /// Calls `done` once, here or later on any thread.
  virtual void handle(Request request, std::function<void(Response)> done) = 0;
  /// What is wrong below the level of requests: 400, 408, 413, 431. `reason` is for people; `head`
  /// is what is known of the request, nothing perhaps.
  virtual Response error(int status, const std::string& reason, const Request& head) = 0;
};

}  // namespace fathom::serve::http
