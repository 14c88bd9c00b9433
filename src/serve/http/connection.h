#pragma once
// Internal to http/ (Boost): one client's connection.
#include <array>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "serve/http/hub.h"
#include "serve/http/in_buffer.h"
#include "serve/http/signal.h"
#include "serve/http/wire.h"

namespace fathom::serve::http {

/// So many seconds from now.
inline Clock::time_point after(double seconds) {
  return Clock::now() +
         std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

/// Two coroutines on one strand. One reads whatever comes, always, so that a client that goes away
/// is noticed at once, also in the midst of an answer. The other takes requests out of what came
/// and answers them, in order.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Wire::Socket socket, std::shared_ptr<boost::asio::ssl::context> tls, std::string peer,
             std::shared_ptr<Hub> hub);
  ~Connection();

  void start();
  /// From any thread: looks whether the hub is stopping.
  void look() { news_->raise(); }
  /// From any thread.
  void close();

 private:
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  template <typename T>
  using Awaitable = boost::asio::awaitable<T>;

  /// How reading a header or a body ended.
  struct Reading {
    bool ok = false;
    int status = 0;  // what is wrong with it; 0 if the client is gone or quiet
    std::string reason = {};
  };

  Awaitable<void> read_all();
  Awaitable<void> run();
  Awaitable<bool> begin();
  void close_after(double seconds);
  Awaitable<bool> serve_one();

  // Reading (connection_reading.cc).
  Awaitable<Reading> read_header(Parser& parser);
  Awaitable<Reading> read_body(Parser& parser);
  Reading feed(Parser& parser);
  Request head_of(const Parser& parser) const;

  Awaitable<bool> answer(Request request, bool keep);
  Awaitable<std::optional<Response>> when_ready(Response response);
  Awaitable<bool> send(Response response, bool keep);
  Awaitable<bool> send_stream(Response response, bool keep);
  Awaitable<bool> write(std::string_view bytes);
  Awaitable<void> linger();
  std::function<void()> wake() const;
  bool client_gone() const { return gone_->load(std::memory_order_relaxed); }

  Wire wire_;
  std::string peer_;
  std::shared_ptr<Hub> hub_;
  std::shared_ptr<Signal> news_;  // of the client, of an answer
  std::shared_ptr<Signal> room_;  // in in_
  std::shared_ptr<std::atomic<bool>> gone_ = std::make_shared<std::atomic<bool>>(false);
  boost::asio::steady_timer write_timer_;
  InBuffer in_;
  std::array<char, 8192> chunk_;
  bool busy_ = false;        // counted in Hub::busy
  bool discarding_ = false;  // what comes is not read any more
  bool chunked_ = true;      // the client knows chunks: HTTP/1.1
  bool head_only_ = false;   // it asked by HEAD
};

}  // namespace fathom::serve::http
