#include "serve/route/routed_answer.h"

#include <algorithm>
#include <array>

#include "base/log.h"
#include "serve/route/routed_stream.h"

namespace fathom::serve {
namespace {

constexpr double kNoServerRetryS = 2;
constexpr i64 kMostFailedWithAll = 2;
/// Of an answer that is no stream, before the client gets its beginning: no other server can be
/// asked from then on.
constexpr size_t kMaxHeldBytes = size_t{4} << 20;

/// It has no room, or goes down: another server may have. As serve's own 503, and Anthropic's 529.
bool is_refusal(int status) { return status == 503 || status == 529; }

bool is_event_stream(const http::ResponseHead& head) {
  return http::find_header(head.headers, "content-type")
      .value_or("")
      .starts_with("text/event-stream");
}

/// Names that a message's headers must not have when it is sent on: those of its way here.
bool is_of_the_way(std::string_view name, const std::vector<std::string>& connection) {
  static constexpr std::array kNames = {
      std::string_view("host"),   std::string_view("content-length"),
      std::string_view("expect"), std::string_view("x-forwarded-for"),
      std::string_view("via"),    std::string_view("x-request-id"),
  };
  return http::is_hop_by_hop(name) || std::ranges::find(kNames, name) != kNames.end() ||
         std::ranges::find(connection, name) != connection.end();
}

}  // namespace

http::OutgoingRequest outgoing_request(http::Request request, const std::string& id) {
  http::OutgoingRequest out{.method = request.method == "HEAD" ? "GET" : request.method,
                            .target = request.path,
                            .body = std::move(request.body)};
  if (!request.query.empty()) out.target += "?" + request.query;
  std::vector<std::string> connection;
  std::string via;
  for (const http::Header& header : request.headers) {
    if (header.name == "connection") {
      std::ranges::move(http::connection_names(header.value), std::back_inserter(connection));
    }
    if (header.name == "via") via += header.value + ", ";
  }
  for (http::Header& header : request.headers) {
    if (!is_of_the_way(header.name, connection)) out.headers.push_back(std::move(header));
  }
  out.headers.push_back({"x-forwarded-for", request.peer});
  out.headers.push_back({"via", via + "1.1 " + std::string(kRouterName)});
  out.headers.push_back({"x-request-id", id});
  return out;
}

ErrorWriter error_writer(std::string_view path) {
  for (const Endpoint& endpoint : endpoints()) {
    if (endpoint.path == path) return endpoint.write_error;
  }
  return openai_error_response;
}

ApiError no_server() {
  return overloaded("no_server", "no server answers this request; ask again", kNoServerRetryS);
}

void RoutedAnswer::on_news(std::function<void()> wake) {
  wake_ = std::move(wake);
  if (exchange_) exchange_->on_news(wake_);
}

void RoutedAnswer::forget() {
  exchange_.reset();
  place_.reset();
  body_.clear();
}

/// False: there is none left.
bool RoutedAnswer::ask_next() {
  auto place = servers_.take(request_.prompt, tried_);
  if (!place) return false;
  if (!tried_.empty()) {
    log::info("request {} goes to {}: {}", request_.id,
              servers_.address(place->server()).authority(), problem_);
  }
  tried_.push_back(place->server());
  exchange_ = client_.send(servers_.address(place->server()), request_.outgoing);
  place->carries(exchange_);
  place_.emplace(std::move(*place));
  exchange_->on_news(wake_);
  return true;
}

void RoutedAnswer::note_failure() {
  using Progress = http::Exchange::Progress;
  const Progress progress = exchange_->progress();
  problem_ = exchange_->problem();
  servers_.failed(place_->server(), problem_, progress != Progress::kAnswered);
  if (progress == Progress::kSent || progress == Progress::kAnswered) ++failed_with_all_;
}

std::optional<http::Response> RoutedAnswer::poll() {
  while (true) {
    if (!exchange_ && (failed_with_all_ >= kMostFailedWithAll || !ask_next())) return give_up();
    const http::Exchange::State state = exchange_->pull(body_);
    if (state == http::Exchange::State::kFailed) {
      note_failure();
      forget();
      continue;
    }
    const auto head = exchange_->head();
    if (!head) return std::nullopt;
    const bool is_whole = state == http::Exchange::State::kEnded;
    if (is_refusal(head->status) && (is_whole || body_.size() > kMaxHeldBytes)) {
      servers_.count_refusal(place_->server());
      problem_ = "the one before has no room";
      refusal_ = response_of(*head);
      refusal_->body = std::move(body_);
      forget();
      continue;
    }
    return look(state, *head);
  }
}

/// nullopt: more of it has to come.
std::optional<http::Response> RoutedAnswer::look(http::Exchange::State state,
                                                 const http::ResponseHead& head) {
  http::Response response = response_of(head);
  if (state == http::Exchange::State::kEnded) {
    response.body = std::move(body_);
    forget();
    return response;
  }
  const bool is_held = !is_event_stream(head) && body_.size() <= kMaxHeldBytes;
  if (is_held || is_refusal(head.status)) return std::nullopt;
  response.stream =
      std::make_unique<RoutedStream>(RoutedStream::Parts{.servers = servers_,
                                                         .place = std::move(*place_),
                                                         .exchange = std::move(exchange_),
                                                         .begun = std::move(body_),
                                                         .is_events = is_event_stream(head),
                                                         .plain_path = request_.plain_path,
                                                         .id = request_.id,
                                                         .write_error = request_.write_error});
  place_.reset();
  return response;
}

http::Response RoutedAnswer::response_of(const http::ResponseHead& head) const {
  http::Response response{.status = head.status};
  for (const http::Header& header : head.headers) {
    if (header.name == "content-length" || header.name == "date") continue;
    response.headers.push_back(header);
  }
  response.headers.push_back({"x-fathom-server", std::to_string(tried_.back())});
  return response;
}

http::Response RoutedAnswer::give_up() const {
  if (refusal_) {
    http::Response response{.status = refusal_->status, .headers = refusal_->headers};
    response.body = refusal_->body;
    return response;
  }
  log::warn("request {} has no server: {}", request_.id,
            problem_.empty() ? "none is ready" : problem_);
  http::Response response = request_.write_error(no_server(), request_.id);
  response.headers.push_back({"x-request-id", request_.id});
  return response;
}

}  // namespace fathom::serve
