#pragma once
// One address for several servers: a reverse proxy that sends a request where its prompt's rows are
// cached. Start reading here.
#include <atomic>

#include "serve/http/handler.h"
#include "serve/route/health.h"
#include "serve/route/routed_answer.h"
#include "serve/workers.h"

namespace fathom::serve {

class Router : public http::Handler {
 public:
  explicit Router(RouteConfig config);

  /// New requests are refused; what runs goes on.
  void drain() { draining_ = true; }
  /// Nothing is answered any more: before the server goes, whose connections it would wake.
  void stop() { workers_.stop(); }

  std::optional<http::Response> refuse(const http::Request& head) override;
  void handle(http::Request request, std::function<void(http::Response)> done) override;
  http::Response error(int status, const std::string& reason, const http::Request& head) override;

 private:
  std::optional<ApiError> check(const http::Request& head) const;
  http::Response refusal(const ApiError& error, const http::Request& request);
  std::optional<http::Response> state(const http::Request& request) const;
  http::Response ask(http::Request request);

  const RouteConfig config_;
  std::atomic<bool> draining_{false};
  std::atomic<i64> refused_{0};
  Servers servers_;
  http::Client client_;
  Workers workers_;  // this and what follows use the rest
  HealthWatch health_;
};

}  // namespace fathom::serve
