#include "serve/http/connection.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <exception>

#include "base/log.h"

namespace fathom::serve::http {
namespace {

namespace asio = boost::asio;

constexpr size_t kMaxUnreadBytes = size_t{64} << 10;  // of requests that have to wait
constexpr size_t kWriteBytes = size_t{64} << 10;      // that have to be taken within write_s
constexpr double kFirstSignS = 1;                     // of life, in a stream
constexpr double kLingerS = 5;

}  // namespace

Connection::Connection(Wire::Socket socket, std::shared_ptr<asio::ssl::context> tls,
                       std::string peer, std::shared_ptr<Hub> hub)
    : wire_(std::move(socket), std::move(tls)),
      peer_(std::move(peer)),
      hub_(std::move(hub)),
      news_(std::make_shared<Signal>(wire_.executor())),
      room_(std::make_shared<Signal>(wire_.executor())),
      write_timer_(wire_.executor()) {}

Connection::~Connection() {
  if (busy_) --hub_->busy;
  hub_->counts.remove(peer_);
}

void Connection::start() {
  const auto self = shared_from_this();
  asio::co_spawn(
      wire_.executor(), [self] { return self->run(); }, asio::detached);
}

void Connection::close() {
  asio::post(wire_.executor(), [self = shared_from_this()] { self->wire_.close(); });
}

Connection::Awaitable<void> Connection::read_all() {
  const auto self = shared_from_this();
  while (true) {
    const size_t bytes = co_await wire_.read(chunk_.data(), chunk_.size());
    if (bytes == 0) break;
    if (!discarding_) in_.append(chunk_.data(), bytes);
    news_->raise();
    while (in_.view().size() > kMaxUnreadBytes && wire_.is_open()) {
      co_await room_->wait(after(1));
    }
  }
  gone_->store(true);
  news_->raise();
}

Connection::Awaitable<void> Connection::run() {
  const auto self = shared_from_this();
  try {
    if (co_await begin()) {
      while (co_await serve_one()) {
      }
      co_await linger();
    }
  } catch (const std::exception& fault) {  // ours; the other connections live on
    log::error("a connection ended by a fault of ours: {}", fault.what());
  }
  wire_.close();
  room_->raise();
}

/// False: the client and we do not understand each other.
Connection::Awaitable<bool> Connection::begin() {
  close_after(hub_->options.header_s);
  const bool understood = co_await wire_.handshake();
  write_timer_.cancel();
  if (!understood) co_return false;
  asio::co_spawn(
      wire_.executor(), [self = shared_from_this()] { return self->read_all(); }, asio::detached);
  co_return true;
}

/// Unless the timer is cancelled before.
void Connection::close_after(double seconds) {
  write_timer_.expires_at(after(seconds));
  write_timer_.async_wait([self = shared_from_this()](boost::system::error_code error) {
    if (!error) self->wire_.close();
  });
}

/// False: it was the last one.
Connection::Awaitable<bool> Connection::serve_one() {
  if (std::exchange(busy_, false)) --hub_->busy;
  Parser parser;
  parser.header_limit(static_cast<std::uint32_t>(hub_->options.max_header_bytes));
  parser.body_limit(static_cast<std::uint64_t>(hub_->options.max_body_bytes));
  parser.eager(false);
  Reading reading = co_await read_header(parser);
  Request request;
  if (reading.ok) {
    request = head_of(parser);
    chunked_ = parser.get().version() >= 11;
    head_only_ = request.method == "HEAD";
    if (auto refusal = hub_->handler.refuse(request)) {
      const bool keep = parser.is_done() && parser.get().keep_alive();
      co_return co_await send(std::move(*refusal), keep);
    }
    reading = co_await read_body(parser);
  }
  if (!reading.ok) {
    if (reading.status != 0) {
      co_await send(hub_->handler.error(reading.status, reading.reason, request), false);
    }
    co_return false;
  }
  const bool keep = parser.get().keep_alive();
  request.body = std::move(parser.get().body());
  co_return co_await answer(std::move(request), keep);
}

std::function<void()> Connection::wake() const {
  return [news = news_] { news->raise(); };
}

Connection::Awaitable<bool> Connection::answer(Request request, bool keep) {
  struct Slot {
    Mutex mutex;
    std::optional<Response> response FATHOM_GUARDED_BY(mutex);
  };
  const auto slot = std::make_shared<Slot>();
  hub_->handler.handle(std::move(request), [slot, wake = wake()](Response response) {
    {
      const Lock lock(slot->mutex);
      slot->response = std::move(response);
    }
    wake();
  });
  std::optional<Response> response;
  while (true) {
    {
      const Lock lock(slot->mutex);
      response.swap(slot->response);
    }
    if (response || client_gone()) break;
    co_await news_->wait(after(60));
  }
  if (response && response->late) response = co_await when_ready(std::move(*response));
  if (!response) co_return false;
  co_return co_await send(std::move(*response), keep);
}

/// nullopt: the client is gone.
Connection::Awaitable<std::optional<Response>> Connection::when_ready(Response response) {
  const std::unique_ptr<LateResponse> late = std::move(response.late);
  late->on_news(wake());
  while (!client_gone()) {
    if (auto ready = late->poll()) co_return ready;
    co_await news_->wait(after(60));
  }
  co_return std::nullopt;
}

/// False: the connection is of no more use.
Connection::Awaitable<bool> Connection::send(Response response, bool keep) {
  keep = keep && !response.close && !hub_->stopping;
  if (response.stream) co_return co_await send_stream(std::move(response), keep);
  std::string bytes = write_head(response, Framing::kLength, keep);
  if (!head_only_) bytes += response.body;
  co_return co_await write(bytes) && keep;
}

Connection::Awaitable<bool> Connection::send_stream(Response response, bool keep) {
  const std::unique_ptr<BodyStream> stream = std::move(response.stream);
  const bool chunked = chunked_;  // else the body ends with the connection
  stream->on_news(wake());
  std::string bytes =
      write_head(response, chunked ? Framing::kChunked : Framing::kUntilClose, keep && chunked);
  if (!co_await write(bytes) || head_only_) co_return false;
  Clock::time_point silent_until = after(kFirstSignS);
  std::string piece;
  BodyStream::State state = BodyStream::State::kMore;
  while (state == BodyStream::State::kMore) {
    piece.clear();
    state = stream->pull(piece);
    const bool goes_on = state == BodyStream::State::kMore;
    if (piece.empty() && goes_on && Clock::now() >= silent_until) {
      piece = stream->keep_alive();
      silent_until = after(hub_->options.keep_alive_s);
    }
    bytes.clear();
    if (chunked) {
      append_chunk(piece, bytes);
      if (state == BodyStream::State::kEnd) bytes += kLastChunk;
    } else {
      bytes = piece;
    }
    if (client_gone()) co_return false;
    if (!bytes.empty()) {
      if (!co_await write(bytes)) co_return false;
      silent_until = after(hub_->options.keep_alive_s);
    }
    if (goes_on) co_await news_->wait(silent_until);
  }
  const bool is_whole = state == BodyStream::State::kEnd;
  co_return is_whole&& keep&& chunked;
}

/// False: the client does not take it.
Connection::Awaitable<bool> Connection::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, kWriteBytes);
    close_after(hub_->options.write_s);
    const bool taken = co_await wire_.write(piece);
    write_timer_.cancel();
    if (!taken) co_return false;
    bytes.remove_prefix(piece.size());
  }
  co_return true;
}

/// A connection closed on bytes that nobody read would be reset, and the client lose the answer.
Connection::Awaitable<void> Connection::linger() {
  if (client_gone() || !wire_.is_open()) co_return;
  wire_.shutdown_send();
  discarding_ = true;
  in_.clear();
  room_->raise();
  const Clock::time_point deadline = after(kLingerS);
  while (!client_gone() && Clock::now() < deadline) co_await news_->wait(deadline);
}

}  // namespace fathom::serve::http
