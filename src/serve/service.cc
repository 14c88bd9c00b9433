#include "serve/service.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "base/text.h"
#include "serve/known_host.h"
#include "serve/page/page.h"

namespace fathom::serve {
namespace {

constexpr double kLoadingRetryS = 5;
constexpr double kSampleS = 5;
constexpr size_t kSamples = 720;  // an hour
constexpr const char* kCrossOrigin = "cross_origin";

bool is_json(std::string_view content_type) {
  std::string type = http::lower(content_type.substr(0, content_type.find(';')));
  while (type.ends_with(' ')) type.pop_back();
  return type == "application/json";
}

ApiError plain_error(int status, std::string code, std::string message) {
  return {.status = status, .code = std::move(code), .message = std::move(message)};
}

/// A late response with the headers of its call.
class WithHeaders : public http::LateResponse {
 public:
  WithHeaders(std::unique_ptr<http::LateResponse> inner, std::vector<http::Header> headers,
              Clock::time_point received)
      : inner_(std::move(inner)), headers_(std::move(headers)), received_(received) {}

  void on_news(std::function<void()> wake) override { inner_->on_news(std::move(wake)); }
  std::optional<http::Response> poll() override {
    auto response = inner_->poll();
    if (!response) return std::nullopt;
    headers_.push_back(
        {"openai-processing-ms", fmt::format("{:.0f}", seconds_since(received_) * 1e3)});
    response->headers.insert(response->headers.end(), headers_.begin(), headers_.end());
    return response;
  }

 private:
  std::unique_ptr<http::LateResponse> inner_;
  std::vector<http::Header> headers_;
  Clock::time_point received_;
};

void append_headers(http::Response& response, const http::Request& request, const std::string& id,
                    std::vector<http::Header> headers) {
  headers.push_back({"x-request-id", id});
  headers.push_back({"X-Content-Type-Options", "nosniff"});
  if (response.late) {
    response.late = std::make_unique<WithHeaders>(std::move(response.late), std::move(headers),
                                                  request.received);
    return;
  }
  headers.push_back(
      {"openai-processing-ms", fmt::format("{:.0f}", seconds_since(request.received) * 1e3)});
  response.headers.insert(response.headers.end(), headers.begin(), headers.end());
}

}  // namespace

/// What a path and a verb lead to.
struct Service::Route {
  std::string_view path;               // plain
  const Endpoint* endpoint = nullptr;  // null: none, or one of Service's own
  std::string rest;                    // of the path
  std::string allowed;                 // verbs of the path; empty: there is no such path
  bool is_open = false;                // for everybody, key or not
  ErrorWriter write_error = openai_error_response;
};

Service::Service(ServiceOptions options, Accounts& accounts)
    : options_(std::move(options)),
      accounts_(accounts),
      origins_(options_.allowed_origins),
      history_(kSamples),
      ledger_(accounts, metrics_, open_, options_.log_as_json, options_.audit),
      operations_{.metrics = metrics_,
                  .requests = open_,
                  .history = history_,
                  .draining = draining_,
                  .started_s = unix_now_s(),
                  .stalled_after_s = options_.stalled_after_s},
      sampler_(kSampleS, [this] { take_sample(); }),
      workers_(options_.worker_threads) {}

Service::~Service() = default;

void Service::serve(const ServedModel& model) {
  model_.store(&model, std::memory_order_release);
  take_sample();
}

Service::Route Service::find(const http::Request& request) const {
  Route route{.path = plain_path(request.path)};
  const std::string_view method =
      request.method == "HEAD" ? std::string_view("GET") : std::string_view(request.method);
  const bool is_state = route.path == "/health" || route.path == "/live" || route.path == "/ready";
  if (is_state || route.path == "/metrics" || is_page(route.path)) {
    route.allowed = "GET, HEAD";
    route.is_open = route.path != "/metrics";
    return route;
  }
  for (const Endpoint& endpoint : endpoints()) {
    const bool takes_more = endpoint.path.ends_with('/');
    const bool matches = takes_more ? route.path.starts_with(endpoint.path) &&
                                          route.path.size() > endpoint.path.size()
                                    : route.path == endpoint.path;
    if (!matches) continue;
    if (!route.allowed.empty()) route.allowed += ", ";
    route.allowed += endpoint.method == "GET" ? "GET, HEAD" : endpoint.method;
    route.write_error = endpoint.write_error;
    if (endpoint.method != method) continue;
    route.endpoint = &endpoint;
    if (takes_more) route.rest = route.path.substr(endpoint.path.size());
  }
  return route;
}

/// Everything that needs no body.
ApiResult<void> Service::check(const http::Request& head, const Route& route) const {
  if (!accounts_.has_keys() && !is_known_host(head, options_.allowed_hosts)) {
    return tl::unexpected(unknown_host());
  }
  if (route.allowed.empty()) {
    return tl::unexpected(
        not_found("not_found", "there is nothing at " + printable(head.path.substr(0, 200))));
  }
  if (head.method == "OPTIONS") {
    return tl::unexpected(ApiError{.status = 403,
                                   .type = "permission_error",
                                   .code = kCrossOrigin,
                                   .message = "pages of other origins are not served here"});
  }
  const bool reads = head.method == "GET" || head.method == "HEAD";
  if (route.endpoint == nullptr && !(reads && route.allowed == "GET, HEAD")) {
    ApiError error = plain_error(405, "method_not_allowed",
                                 fmt::format("{}: expected {}, found {}", route.path, route.allowed,
                                             printable(head.method)));
    error.headers.push_back({"Allow", route.allowed});
    return tl::unexpected(std::move(error));
  }
  if (!route.is_open) {
    if (auto caller = accounts_.identify(head); !caller) return tl::unexpected(caller.error());
  }
  if (route.endpoint != nullptr && route.endpoint->method == "POST" &&
      !is_json(head.header("content-type").value_or(""))) {
    return tl::unexpected(
        plain_error(415, "unsupported_media_type", "Content-Type: expected application/json"));
  }
  if (route.endpoint != nullptr && model_.load(std::memory_order_acquire) == nullptr) {
    return tl::unexpected(overloaded("loading", "the model is being loaded", kLoadingRetryS));
  }
  if (route.endpoint != nullptr && draining_ && !route.endpoint->is_for_operators) {
    return tl::unexpected(overloaded("draining", "the server is going down", kLoadingRetryS));
  }
  return {};
}

void Service::add_headers(http::Response& response, const http::Request& request,
                          const std::string& id, std::vector<http::Header> headers) const {
  for (http::Header& header : origins_.headers(request)) headers.push_back(std::move(header));
  append_headers(response, request, id, std::move(headers));
}

http::Response Service::refusal(const ApiError& error, const http::Request& request,
                                const Route& route) {
  const std::string id = request_id(request);
  ledger_.refused(id, request.path, error.status, error.code);
  http::Response response = route.write_error(error, id);
  response.close = draining_;
  add_headers(response, request, id, {});
  return response;
}

std::optional<http::Response> Service::refuse(const http::Request& head) {
  const Route route = find(head);
  const auto checked = check(head, route);
  if (checked) return std::nullopt;
  if (checked.error().code == kCrossOrigin) {
    if (auto allowed = origins_.preflight(head, route.allowed)) return allowed;
  }
  return refusal(checked.error(), head, route);
}

http::Response Service::error(int status, const std::string& reason, const http::Request& head) {
  const char* const code = status == 413 ? "request_too_large" : "bad_request";
  return refusal(plain_error(status, code, reason), head, find(head));
}

bool Service::stalls() const {
  const ServedModel* const model = model_.load(std::memory_order_acquire);
  return model != nullptr && model->engine.stalled_s() > options_.stalled_after_s;
}

/// Of what tells about the server itself; nullopt: it is not that.
std::optional<http::Response> Service::state(std::string_view path) const {
  const ServedModel* const model = model_.load(std::memory_order_acquire);
  http::Response response;
  if (path == "/metrics") {
    response.headers.push_back({"Content-Type", "text/plain; version=0.0.4; charset=utf-8"});
    response.body = metrics_.text(model == nullptr ? "" : model->name,
                                  model == nullptr ? nullptr : &model->engine) +
                    accounts_.metrics_text();
    return response;
  }
  if (path != "/health" && path != "/ready" && path != "/live") return std::nullopt;
  const char* status = "ok";
  if (stalls()) {
    status = "stalled";
  } else if (path != "/live" && model == nullptr) {
    status = "loading";
  } else if (path != "/live" && draining_) {
    status = "draining";
  }
  io::JsonObject body;
  body.set("status", status);
  const bool is_ok = std::string_view(status) == "ok";
  response = json_response(std::move(body), is_ok ? 200 : 503);
  if (!is_ok) response.headers.push_back({"Retry-After", fmt::format("{:.0f}", kLoadingRetryS)});
  return response;
}

void Service::take_sample() {
  const ServedModel* const model = model_.load(std::memory_order_acquire);
  if (model == nullptr) return;
  history_.add(activity_of(model->engine, metrics_), load_of(model->engine), unix_now_s());
}

ApiResult<http::Response> Service::run(Call& call, const Endpoint& endpoint,
                                       const std::string& body) {
  if (endpoint.method == "POST") {
    auto read = read_body(body);
    if (!read) return tl::unexpected(std::move(read.error()));
    call.body = std::move(*read);
  }
  return endpoint.run(call);
}

http::Response Service::answer(const http::Request& request, const Route& route) {
  auto caller = accounts_.identify(request);
  if (!caller) return refusal(caller.error(), request, route);
  Call call{.request = request,
            .model = *model_.load(std::memory_order_acquire),
            .accounts = accounts_,
            .ledger = ledger_,
            .operations = operations_,
            .caller = std::move(*caller),
            .id = request_id(request),
            .endpoint = std::string(route.endpoint->path),
            .rest = route.rest};
  http::Response response;
  try {
    auto result = run(call, *route.endpoint, request.body);
    if (result) {
      response = std::move(*result);
    } else {
      ledger_.refused(call.id, request.path, result.error().status, result.error().code);
      response = route.write_error(result.error(), call.id);
    }
  } catch (const std::exception& fault) {  // ours, or the world's; others are served on
    log::error("request {} to {} failed: {}", call.id, call.endpoint, fault.what());
    response = route.write_error(server_fault(call.id), call.id);
  }
  add_headers(response, request, call.id, std::move(call.headers));
  return response;
}

void Service::handle(http::Request request, std::function<void(http::Response)> done) {
  const Route route = find(request);
  auto response = state(route.path);
  if (!response) response = page_response(route.path, request);
  if (response) {
    add_headers(*response, request, request_id(request), {});
    return done(std::move(*response));
  }
  if (route.endpoint->is_quick) return done(answer(request, route));
  // A shared pointer, since std::function wants what it holds to be copied.
  const auto shared = std::make_shared<http::Request>(std::move(request));
  workers_.run([this, shared, done = std::move(done)] {
    if (shared->client_gone != nullptr && *shared->client_gone) return;
    done(answer(*shared, find(*shared)));
  });
}

}  // namespace fathom::serve
