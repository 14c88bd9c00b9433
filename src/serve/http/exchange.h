#pragma once
// Internal to http/ (Boost): one request to another server.
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "base/mutex.h"
#include "serve/http/client.h"
#include "serve/http/host_endpoints.h"
#include "serve/http/in_buffer.h"
#include "serve/http/signal.h"
#include "serve/http/wire.h"

namespace fathom::serve::http {

/// A coroutine on a strand connects, writes the request and reads the answer as far as somebody
/// takes it.
struct Exchange::Impl : public std::enable_shared_from_this<Impl> {
  template <typename T>
  using Awaitable = boost::asio::awaitable<T>;
  using Parser = boost::beast::http::response_parser<boost::beast::http::string_body>;

  Impl(boost::asio::io_context& io, const ClientOptions& options,
       std::shared_ptr<HostEndpoints> hosts, const ServerAddress& to, std::string request);

  void start();
  /// From any thread.
  void close();
  /// The first problem is the one that counts.
  void fail(std::string_view what);

  Awaitable<void> run();
  Awaitable<HostEndpoints::Found> find_host();
  Awaitable<bool> connect();
  Awaitable<void> write();
  Awaitable<void> read();
  bool feed(Parser& parser);
  void deliver(Parser& parser);
  Awaitable<void> wait_for_room();
  void close_after(double seconds);
  void stop_timer();
  void came(Progress progress);
  bool has_failed() const;
  void tell();

  const ClientOptions options_;
  const std::shared_ptr<HostEndpoints> hosts_;
  const ServerAddress to_;
  const std::string request_;
  boost::asio::any_io_executor strand_;
  boost::asio::steady_timer timer_;
  u64 timers_ = 0;          // what this was when one was set is its name
  bool timed_out_ = false;  // and that is why it was closed
  std::shared_ptr<Signal> room_;
  std::optional<boost::asio::ip::tcp::socket> connecting_;
  std::optional<Wire> wire_;
  InBuffer in_;
  std::array<char, 16384> chunk_;

  mutable Mutex mutex_;
  std::function<void()> wake_ FATHOM_GUARDED_BY(mutex_);
  std::optional<ResponseHead> head_ FATHOM_GUARDED_BY(mutex_);
  std::string unread_ FATHOM_GUARDED_BY(mutex_);
  bool ended_ FATHOM_GUARDED_BY(mutex_) = false;
  Progress progress_ FATHOM_GUARDED_BY(mutex_) = Progress::kNothing;
  std::string problem_ FATHOM_GUARDED_BY(mutex_);  // empty: none
};

}  // namespace fathom::serve::http
