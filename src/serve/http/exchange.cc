#include "serve/http/exchange.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/detached.hpp>

#include "serve/http/connection.h"

namespace fathom::serve::http {
namespace {

namespace asio = boost::asio;
namespace beast_http = boost::beast::http;

constexpr size_t kWritePieceBytes = size_t{64} << 10;  // that have to be taken within write_s

ResponseHead head_of_answer(const beast_http::response<beast_http::string_body>& message) {
  ResponseHead head{.status = static_cast<int>(message.result_int())};
  // What a Connection header names is of the connection too.
  const std::string connection = lower(message[beast_http::field::connection]);
  for (const auto& field : message) {
    const std::string name = lower(field.name_string());
    if (is_hop_by_hop(name) || connection.find(name) != std::string::npos) continue;
    head.headers.push_back({name, std::string(field.value())});
  }
  return head;
}

}  // namespace

Exchange::Impl::Impl(asio::io_context& io, const ClientOptions& options, const ServerAddress& to,
                     std::string request)
    : options_(options),
      to_(to),
      request_(std::move(request)),
      strand_(asio::make_strand(io)),
      resolver_(strand_),
      timer_(strand_),
      room_(std::make_shared<Signal>(strand_)) {}

void Exchange::Impl::start() {
  asio::co_spawn(
      strand_, [self = shared_from_this()] { return self->run(); }, asio::detached);
}

void Exchange::Impl::close() {
  asio::post(strand_, [self = shared_from_this()] {
    self->resolver_.cancel();
    boost::system::error_code ignored;
    if (self->connecting_) self->connecting_->close(ignored);
    if (self->wire_) self->wire_->close();
    self->room_->raise();
  });
}

void Exchange::Impl::fail(std::string_view what) {
  {
    const Lock lock(mutex_);
    if (ended_ || !problem_.empty()) return;
    problem_ = what;
  }
  tell();
}

void Exchange::Impl::tell() {
  const Lock lock(mutex_);
  if (wake_) wake_();
}

void Exchange::Impl::close_after(double seconds) {
  timer_.expires_at(after(seconds));
  timer_.async_wait([self = shared_from_this()](boost::system::error_code error) {
    if (!error) self->close();
  });
}

Exchange::Impl::Awaitable<void> Exchange::Impl::run() {
  const auto self = shared_from_this();
  try {
    if (co_await connect()) {
      co_await write();
      co_await read();
    }
  } catch (const std::exception& fault) {
    fail(fault.what());
  }
  timer_.cancel();
  if (wire_) wire_->close();
}

/// False: it failed.
Exchange::Impl::Awaitable<bool> Exchange::Impl::connect() {
  close_after(options_.connect_s);
  const auto [unknown, found] =
      co_await resolver_.async_resolve(to_.host, std::to_string(to_.port), kAwaitTuple);
  boost::system::error_code error = unknown;
  if (!error) {
    connecting_.emplace(strand_);
    const auto [unreached, endpoint] =
        co_await asio::async_connect(*connecting_, found, kAwaitTuple);
    error = unreached;
  }
  timer_.cancel();
  if (!error && connecting_->is_open()) {
    boost::system::error_code ignored;
    connecting_->set_option(asio::ip::tcp::no_delay(true), ignored);
    wire_.emplace(std::move(*connecting_), nullptr);
    connecting_.reset();
    co_return true;
  }
  fail(fmt::format("{} cannot be reached: {}", to_.authority(),
                   error ? error.message() : "it took too long"));
  co_return false;
}

/// What a server does not take is no failure by itself: it may have answered already.
Exchange::Impl::Awaitable<void> Exchange::Impl::write() {
  std::string_view bytes = request_;
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, kWritePieceBytes);
    close_after(options_.write_s);
    const bool taken = co_await wire_->write(piece);
    timer_.cancel();
    if (!taken) co_return;
    bytes.remove_prefix(piece.size());
  }
}

Exchange::Impl::Awaitable<void> Exchange::Impl::read() {
  Parser parser;
  parser.header_limit(static_cast<std::uint32_t>(options_.max_header_bytes));
  parser.body_limit(boost::none);
  parser.eager(true);
  while (!parser.is_done()) {
    const size_t bytes = co_await wire_->read(chunk_.data(), chunk_.size());
    if (bytes == 0)
      co_return fail(to_.authority() + " closed the connection before its answer's end");
    in_.append(chunk_.data(), bytes);
    if (!feed(parser)) co_return;
    co_await wait_for_room();
  }
  {
    const Lock lock(mutex_);
    if (problem_.empty()) ended_ = true;
  }
  tell();
}

/// False: what came is no answer.
bool Exchange::Impl::feed(Parser& parser) {
  while (!in_.view().empty() && !parser.is_done()) {
    const std::string_view bytes = in_.view();
    boost::system::error_code error;
    const size_t taken = parser.put(asio::buffer(bytes.data(), bytes.size()), error);
    in_.consume(taken);
    if (error && error != beast_http::error::need_more) {
      fail(to_.authority() + " sent what is no HTTP answer: " + error.message());
      return false;
    }
    // One that ends with the connection would look whole wherever the server died.
    if (parser.is_header_done() && parser.need_eof() && !parser.is_done()) {
      fail(to_.authority() + " does not say how long its answer is");
      return false;
    }
    deliver(parser);
    if (taken == 0) break;
  }
  return true;
}

void Exchange::Impl::deliver(Parser& parser) {
  if (!parser.is_header_done()) return;
  {
    const Lock lock(mutex_);
    if (!head_) head_ = head_of_answer(parser.get());
    unread_ += parser.get().body();
  }
  parser.get().body().clear();
  tell();
}

Exchange::Impl::Awaitable<void> Exchange::Impl::wait_for_room() {
  while (wire_->is_open()) {
    {
      const Lock lock(mutex_);
      if (std::ssize(unread_) <= options_.max_unread_bytes) co_return;
    }
    co_await room_->wait(after(1));
  }
}

}  // namespace fathom::serve::http
