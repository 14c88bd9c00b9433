#pragma once
// Answers HTTP requests with a model: routes, keys, errors. Start reading here.
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "serve/accounts/accounts.h"
#include "serve/api/endpoints.h"
#include "serve/cross_origin.h"
#include "serve/http/handler.h"
#include "serve/metrics/ledger.h"
#include "serve/metrics/operations.h"
#include "serve/metrics/sampler.h"
#include "serve/workers.h"

namespace fathom::serve {

struct ServiceOptions {
  i64 worker_threads = 4;
  /// Names under which the server may be asked for beside this machine's own, where there are no
  /// keys: else any web page could reach it through a name that it points here (DNS rebinding).
  std::vector<std::string> allowed_hosts = {};
  std::vector<std::string> allowed_origins = {};  // of web pages, see is_origin()
  bool log_as_json = false;
  double stalled_after_s = 60;
  AuditLog* audit = nullptr;  // null: none
};

class Service : public http::Handler {
 public:
  Service(ServiceOptions options, Accounts& accounts);
  ~Service() override;

  /// From now on requests are answered with this model, which must outlive the service's last one.
  void serve(const ServedModel& model);
  /// New requests are refused; what runs goes on.
  void drain() { draining_ = true; }
  bool draining() const { return draining_; }
  void set_allowed_origins(std::vector<std::string> origins) { origins_.set(std::move(origins)); }
  /// The engine has work and has not moved for so long that it will not.
  bool stalls() const;

  std::optional<http::Response> refuse(const http::Request& head) override;
  void handle(http::Request request, std::function<void(http::Response)> done) override;
  http::Response error(int status, const std::string& reason, const http::Request& head) override;

 private:
  struct Route;
  Route find(const http::Request& request) const;
  ApiResult<void> check(const http::Request& head, const Route& route) const;
  http::Response answer(const http::Request& request, const Route& route);
  ApiResult<http::Response> run(Call& call, const Endpoint& endpoint, const std::string& body);
  std::optional<http::Response> state(std::string_view path) const;
  void take_sample();
  void add_headers(http::Response& response, const http::Request& request, const std::string& id,
                   std::vector<http::Header> headers) const;
  http::Response refusal(const ApiError& error, const http::Request& request, const Route& route);

  ServiceOptions options_;
  Accounts& accounts_;
  CrossOrigin origins_;
  Metrics metrics_;
  OpenRequests open_;
  History history_;
  Ledger ledger_;
  std::atomic<const ServedModel*> model_{nullptr};
  std::atomic<bool> draining_{false};
  const Operations operations_;
  Sampler sampler_;  // this and what follows last: they use the rest
  Workers workers_;
};

}  // namespace fathom::serve
