// A request out of what came: its header, its body, and what is wrong with them.
#include <algorithm>
#include <boost/asio/buffer.hpp>

#include "serve/http/connection.h"

namespace fathom::serve::http {

namespace beast_http = boost::beast::http;

Connection::Reading Connection::feed(Parser& parser) {
  boost::system::error_code error;
  const std::string_view bytes = in_.view();
  in_.consume(parser.put(boost::asio::buffer(bytes.data(), bytes.size()), error));
  room_->raise();
  if (!error || error == beast_http::error::need_more) return {.ok = true};
  if (error == beast_http::error::header_limit) {
    return {.status = 431, .reason = "the header is too large"};
  }
  if (error == beast_http::error::body_limit) {
    return {.status = 413, .reason = "the body is too large"};
  }
  if (error == beast_http::error::bad_version) {
    return {.status = 505, .reason = "only HTTP/1.0 and HTTP/1.1 are spoken here"};
  }
  return {.status = 400, .reason = "this is no HTTP request: " + error.message()};
}

Connection::Awaitable<Connection::Reading> Connection::read_header(Parser& parser) {
  const ServerOptions& options = hub_->options;
  Clock::time_point deadline = after(options.idle_s);
  while (!parser.is_header_done()) {
    while (!busy_ && in_.view().starts_with("\r\n")) in_.consume(2);  // as RFC 9112, 2.2 has it
    if (!in_.view().empty()) {
      if (!std::exchange(busy_, true)) {
        ++hub_->busy;
        deadline = after(options.header_s);
      }
      if (const Reading fed = feed(parser); !fed.ok) co_return fed;
      if (parser.is_header_done()) break;
    }
    if (client_gone() || (!busy_ && hub_->stopping)) co_return Reading{};
    if (Clock::now() >= deadline) {
      if (!busy_) co_return Reading{};
      co_return Reading{.status = 408, .reason = "the header took too long"};
    }
    co_await news_->wait(deadline);
  }
  const auto& fields = parser.get();
  const auto count = std::distance(fields.begin(), fields.end());
  if (count > options.max_headers) {
    co_return Reading{.status = 431, .reason = "too many headers"};
  }
  if (fields.version() >= 11 && fields.count(beast_http::field::host) != 1) {
    co_return Reading{.status = 400, .reason = "a request has one Host header"};
  }
  // Anything but "chunked" would make it a guess where the body ends.
  if (fields.count(beast_http::field::transfer_encoding) > 0 && !parser.chunked()) {
    co_return Reading{.status = 400, .reason = "the only Transfer-Encoding known here is chunked"};
  }
  co_return Reading{.ok = true};
}

Connection::Awaitable<Connection::Reading> Connection::read_body(Parser& parser) {
  const ServerOptions& options = hub_->options;
  parser.eager(true);
  const bool waits = parser.get()[beast_http::field::expect] == "100-continue";
  if (waits && chunked_ && in_.view().empty() && !parser.is_done()) {
    if (!co_await write("HTTP/1.1 100 Continue\r\n\r\n")) co_return Reading{};
  }
  const Clock::time_point begin = Clock::now();
  size_t read = 0;
  while (!parser.is_done()) {
    const size_t before = in_.view().size();
    if (before > 0) {
      if (const Reading fed = feed(parser); !fed.ok) co_return fed;
      const size_t taken = before - in_.view().size();
      read += taken;
      if (taken > 0) continue;
    }
    if (client_gone()) co_return Reading{};
    const double allowed_s =
        options.body_grace_s + static_cast<double>(read) / options.body_bytes_per_s;
    if (seconds_since(begin) >= allowed_s) {
      co_return Reading{.status = 408, .reason = "the body took too long"};
    }
    co_await news_->wait(after(allowed_s - seconds_since(begin)));
  }
  co_return Reading{.ok = true};
}

Request Connection::head_of(const Parser& parser) const {
  const auto& message = parser.get();
  Request request;
  request.method = std::string(message.method_string());
  const std::string target(message.target());
  const size_t question = target.find('?');
  request.path = target.substr(0, question);
  if (question != std::string::npos) request.query = target.substr(question + 1);
  for (const auto& field : message) {
    request.headers.push_back(
        {.name = lower(field.name_string()), .value = std::string(field.value())});
  }
  std::string forwarded;
  for (const Header& header : request.headers) {
    if (header.name != "x-forwarded-for") continue;
    forwarded += (forwarded.empty() ? "" : ",") + header.value;
  }
  request.peer = hub_->proxies.client(peer_, forwarded);
  request.received = Clock::now();
  request.client_gone = gone_;
  return request;
}

}  // namespace fathom::serve::http
