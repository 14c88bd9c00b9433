#include "serve/route/router.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "serve/http/network.h"
#include "serve/known_host.h"
#include "serve/metrics/text_format.h"
#include "serve/route/routed_stream.h"

namespace fathom::serve {
namespace {

constexpr i64 kRouteWorkers = 2;  // read bodies for their prompts
constexpr double kDrainRetryS = 5;
constexpr i64 kMostHops = 4;  // through routers; more are a circle

http::ClientOptions client_options(const RouteConfig& config) {
  http::ClientOptions options;
  options.threads = config.server.http_threads;
  options.connect_s = config.route.connect_s;
  options.write_s = config.limits.write_s;
  return options;
}

i64 hops_of(const http::Request& head) {
  i64 hops = 0;
  for (const http::Header& header : head.headers) {
    if (header.name != "via") continue;
    for (size_t at = header.value.find(kRouterName); at != std::string::npos;
         at = header.value.find(kRouterName, at + 1)) {
      ++hops;
    }
  }
  return hops;
}

/// A server would refuse it for that when its body had come here whole.
bool lacks_key(const http::Request& head) {
  const bool has_body =
      head.method == "POST" || head.header("content-length") || head.header("transfer-encoding");
  return has_body && !head.header("authorization") && !head.header("x-api-key") &&
         !head.header("api-key");
}

/// The router's own paths.
bool is_own(std::string_view path) {
  return path == "/health" || path == "/ready" || path == "/live" || path == "/metrics";
}

bool is_method(std::string_view method) {
  static constexpr std::array kMethods = {std::string_view("GET"), std::string_view("HEAD"),
                                          std::string_view("POST"), std::string_view("OPTIONS")};
  return std::ranges::find(kMethods, method) != kMethods.end();
}

}  // namespace

Router::Router(RouteConfig config)
    : config_(std::move(config)),
      servers_(config_.route),
      client_(client_options(config_)),
      workers_(kRouteWorkers),
      health_(servers_, client_, config_.route) {}

/// What is wrong with it before its body is known.
std::optional<ApiError> Router::check(const http::Request& head) const {
  const std::string_view path = plain_path(head.path);
  if (!config_.route.servers_want_keys && !is_known_host(head, config_.server.allowed_hosts)) {
    return unknown_host();
  }
  if (!head.path.starts_with('/')) {
    return bad_request("bad_request", "",
                       "expected a path, found " + printable(head.path.substr(0, 200)));
  }
  if (path == "/admin" || path.starts_with("/admin/")) {
    return not_found("not_found", "/admin is each server's own: it is not to be had here");
  }
  const bool reads = head.method == "GET" || head.method == "HEAD";
  if (!is_method(head.method) || (is_own(path) && !reads)) {
    return ApiError{.status = 405,
                    .code = "method_not_allowed",
                    .message = printable(head.method) + " is not passed on for " +
                               printable(head.path.substr(0, 200))};
  }
  // Whoever may read what it has to do, where others come too.
  const bool is_operator =
      !head.header("x-forwarded-for") && http::is_near(head.peer, config_.server.trusted_proxies);
  if (path == "/metrics" && config_.route.servers_want_keys && !is_operator) {
    return ApiError{.status = 403,
                    .type = "permission_error",
                    .code = "forbidden",
                    .message = "/metrics is for this machine and server.trusted_proxies"};
  }
  if (is_own(path)) return std::nullopt;
  if (config_.route.servers_want_keys && lacks_key(head)) {
    return ApiError{.status = 401,
                    .type = "authentication_error",
                    .code = "invalid_api_key",
                    .message = "expected a key: \"Authorization: Bearer KEY\"",
                    .headers = {{"WWW-Authenticate", "Bearer"}}};
  }
  if (hops_of(head) >= kMostHops) {
    return ApiError{.status = 508,
                    .type = "server_error",
                    .code = "loop_detected",
                    .message =
                        "the request came through this router or others again and again: "
                        "route.servers names a router that leads back"};
  }
  if (draining_) return overloaded("draining", "the router is going down", kDrainRetryS);
  if (!servers_.any_ready()) return no_server();
  return std::nullopt;
}

http::Response Router::refusal(const ApiError& error, const http::Request& request) {
  ++refused_;
  const std::string id = request_id(request);
  http::Response response = error_writer(plain_path(request.path))(error, id);
  response.headers.push_back({"x-request-id", id});
  response.close = draining_;
  return response;
}

std::optional<http::Response> Router::refuse(const http::Request& head) {
  if (const auto error = check(head)) return refusal(*error, head);
  return std::nullopt;
}

http::Response Router::error(int status, const std::string& reason, const http::Request& head) {
  const ApiError error{.status = status,
                       .code = status == 413 ? "request_too_large" : "bad_request",
                       .message = reason};
  return refusal(error, head);
}

/// nullopt: of the servers.
std::optional<http::Response> Router::state(const http::Request& request) const {
  const std::string_view path = plain_path(request.path);
  if (!is_own(path)) return std::nullopt;
  http::Response response;
  if (path == "/metrics") {
    response.headers.push_back({"Content-Type", "text/plain; version=0.0.4; charset=utf-8"});
    response.body = servers_.metrics_text();
    write_help("route_refused_total", "counter", "Requests that no server was asked for.",
               response.body);
    response.body += fmt::format("fathom_route_refused_total {}\n", refused_.load());
    return response;
  }
  const char* status = "ok";
  if (path != "/live" && draining_) {
    status = "draining";
  } else if (path != "/live" && !servers_.any_ready()) {
    status = "no server is ready";
  }
  io::JsonArray servers;
  for (i64 s = 0; s < servers_.size(); ++s) {
    servers.emplace_back(std::string(name(servers_.counts(s).state)));
  }
  io::JsonObject body;
  body.set("status", status);
  body.set("servers", std::move(servers));
  return json_response(std::move(body), std::string_view(status) == "ok" ? 200 : 503);
}

http::Response Router::ask(http::Request request) {
  RoutedRequest routed{.prompt = prompt_words(request),
                       .id = request_id(request),
                       .plain_path = std::string(plain_path(request.path))};
  routed.write_error = error_writer(routed.plain_path);
  routed.outgoing = outgoing_request(std::move(request), routed.id);
  http::Response response;
  response.late = std::make_unique<RoutedAnswer>(servers_, client_, std::move(routed));
  return response;
}

void Router::handle(http::Request request, std::function<void(http::Response)> done) {
  if (auto own = state(request)) return done(std::move(*own));
  if (request.body.empty()) return done(ask(std::move(request)));
  const auto shared = std::make_shared<http::Request>(std::move(request));
  workers_.run([this, shared, done = std::move(done)] {
    if (shared->client_gone != nullptr && *shared->client_gone) return;
    done(ask(std::move(*shared)));
  });
}

}  // namespace fathom::serve
