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
  std::vector<std::string> of_connection;
  const auto [first, last] = message.equal_range(beast_http::field::connection);
  for (auto field = first; field != last; ++field) {
    std::ranges::move(connection_names(std::string_view(field->value())),
                      std::back_inserter(of_connection));
  }
  for (const auto& field : message) {
    const std::string name = lower(field.name_string());
    if (is_hop_by_hop(name) || std::ranges::find(of_connection, name) != of_connection.end()) {
      continue;
    }
    head.headers.push_back({name, std::string(field.value())});
  }
  return head;
}

}  // namespace

Exchange::Impl::Impl(asio::io_context& io, const ClientOptions& options,
                     std::shared_ptr<HostEndpoints> hosts, const ServerAddress& to,
                     std::string request)
    : options_(options),
      hosts_(std::move(hosts)),
      to_(to),
      request_(std::move(request)),
      strand_(asio::make_strand(io)),
      timer_(strand_),
      room_(std::make_shared<Signal>(strand_)) {}

void Exchange::Impl::start() {
  asio::co_spawn(
      strand_, [self = shared_from_this()] { return self->run(); }, asio::detached);
}

void Exchange::Impl::close() {
  asio::post(strand_, [self = shared_from_this()] {
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

void Exchange::Impl::came(Progress progress) {
  const Lock lock(mutex_);
  progress_ = progress;
}

bool Exchange::Impl::has_failed() const {
  const Lock lock(mutex_);
  return !problem_.empty();
}

void Exchange::Impl::tell() {
  const Lock lock(mutex_);
  if (wake_) wake_();
}

void Exchange::Impl::close_after(double seconds) {
  timer_.expires_at(after(seconds));
  // One that ran out just before stop_timer() comes here without an error.
  timer_.async_wait([self = shared_from_this(), name = ++timers_](boost::system::error_code error) {
    if (error || name != self->timers_) return;
    self->timed_out_ = true;
    self->close();
  });
}

void Exchange::Impl::stop_timer() {
  ++timers_;
  timer_.cancel();
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
  stop_timer();
  if (wire_) wire_->close();
}

Exchange::Impl::Awaitable<HostEndpoints::Found> Exchange::Impl::find_host() {
  HostEndpoints::Found found = hosts_->find(to_);
  while (found.endpoints.empty() && found.is_searched && !timed_out_ && !has_failed()) {
    co_await room_->wait(after(0.01));
    found = hosts_->find(to_);
  }
  co_return found;
}

/// False: it failed.
Exchange::Impl::Awaitable<bool> Exchange::Impl::connect() {
  close_after(options_.connect_s);
  const HostEndpoints::Found found = co_await find_host();
  if (has_failed()) co_return false;
  boost::system::error_code error = found.error;
  if (!timed_out_ && !found.endpoints.empty()) {
    connecting_.emplace(strand_);
    const auto [unreached, endpoint] =
        co_await asio::async_connect(*connecting_, found.endpoints, kAwaitTuple);
    error = unreached;
  }
  stop_timer();
  if (has_failed()) co_return false;
  if (!timed_out_ && !error && connecting_->is_open()) {
    boost::system::error_code ignored;
    connecting_->set_option(asio::ip::tcp::no_delay(true), ignored);
    wire_.emplace(std::move(*connecting_), nullptr);
    wire_->probe();
    connecting_.reset();
    came(Progress::kConnected);
    co_return true;
  }
  fail(fmt::format("{} cannot be reached: {}", to_.authority(),
                   timed_out_
                       ? fmt::format("it took more than {} s (route.connect_s)", options_.connect_s)
                       : error.message()));
  co_return false;
}

/// What a server does not take is no failure by itself: it may have answered already.
Exchange::Impl::Awaitable<void> Exchange::Impl::write() {
  std::string_view bytes = request_;
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, kWritePieceBytes);
    close_after(options_.write_s);
    const bool taken = co_await wire_->write(piece);
    stop_timer();
    if (timed_out_) {
      fail(fmt::format("{} took nothing of the request for {} s", to_.authority(),
                       options_.write_s));
    }
    if (!taken) co_return;
    bytes.remove_prefix(piece.size());
  }
  came(Progress::kSent);
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
    came(Progress::kAnswered);
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
