#include "serve/http/server.h"

#include <fmt/format.h>
#include <pthread.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/strand.hpp>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "serve/http/connection.h"

namespace fathom::serve::http {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

/// Of the system's memory for a client that does not read; the default grows to megabytes.
constexpr int kSendBufferBytes = 128 << 10;
constexpr double kClosingS = 2;  // at the end, for connections to notice it
/// For a client that is turned away to read why, and how many are given that time at once.
constexpr double kTurnAwayS = 1;
constexpr i64 kMaxTurnedAway = 64;

std::string full_answer() {
  Response response{.status = 503};
  response.headers = {{"Content-Type", "application/json"}, {"Retry-After", "1"}};
  response.body = fmt::format(
      R"({{"error":{{"message":"too many connections","type":"server_error","code":"{}"}}}})",
      kTooManyConnections);
  return write_head(response, Framing::kLength, false) + response.body;
}

}  // namespace

bool ConnectionCounts::add(const std::string& peer, bool is_own, const ServerOptions& options) {
  const Lock lock(mutex_);
  if (total_ >= options.max_connections) return false;
  i64& of_peer = by_peer_[peer];
  if (!is_own && of_peer >= options.max_connections_per_peer) return false;
  ++of_peer;
  ++total_;
  return true;
}

void ConnectionCounts::remove(const std::string& peer) {
  const Lock lock(mutex_);
  const auto at = by_peer_.find(peer);
  if (--at->second == 0) by_peer_.erase(at);
  --total_;
}

i64 ConnectionCounts::total() const {
  const Lock lock(mutex_);
  return total_;
}

struct Server::Impl {
  Impl(const ServerOptions& options, Handler& handler)
      : hub(std::make_shared<Hub>(options, handler)), acceptor(asio::make_strand(io)) {
    load_certificate();
    listen();
  }
  ~Impl();

  void load_certificate();

  void listen();
  asio::awaitable<void> accept();
  void take(tcp::socket socket);
  void turn_away(tcp::socket socket);
  asio::awaitable<void> wait_for_end(std::shared_ptr<tcp::socket> socket);
  void run();
  std::vector<std::shared_ptr<Connection>> connections();

  // The hub outlives the context, whose end destroys connections that are still there.
  std::shared_ptr<Hub> hub;
  std::atomic<i64> turned_away{0};  // and still there
  asio::io_context io;
  tcp::acceptor acceptor;
  Mutex mutex;
  std::vector<std::weak_ptr<Connection>> known FATHOM_GUARDED_BY(mutex);
  std::shared_ptr<asio::ssl::context> tls FATHOM_GUARDED_BY(mutex);  // null: plain HTTP
  std::vector<std::thread> threads;
};

void Server::Impl::load_certificate() {
  const ServerOptions& options = hub->options;
  if (options.tls_certificate.empty()) return;
  auto loaded = load_tls(options.tls_certificate, options.tls_key);
  const Lock lock(mutex);
  tls = std::move(loaded);
}

void Server::Impl::listen() {
  const ServerOptions& options = hub->options;
  const std::string where = fmt::format("{}:{}", options.host, options.port);
  try {
    tcp::resolver resolver(io);
    const auto found = resolver.resolve(options.host, std::to_string(options.port),
                                        tcp::resolver::passive | tcp::resolver::numeric_service);
    const tcp::endpoint endpoint = *found.begin();
    acceptor.open(endpoint.protocol());
    acceptor.set_option(tcp::acceptor::reuse_address(true));
    acceptor.bind(endpoint);
    acceptor.listen();
  } catch (const boost::system::system_error& error) {
    throw Error(ErrorCode::kIo,
                fmt::format("cannot listen on {}: {}", where, error.code().message()));
  }
}

asio::awaitable<void> Server::Impl::accept() {
  asio::steady_timer pause(acceptor.get_executor());
  while (acceptor.is_open()) {
    tcp::socket socket(asio::make_strand(io));
    const auto [error] = co_await acceptor.async_accept(socket, kAwaitTuple);
    if (!error) {
      take(std::move(socket));
    } else if (acceptor.is_open()) {
      log::error("a connection was not accepted: {}", error.message());  // too many open files
      pause.expires_after(std::chrono::milliseconds(100));
      co_await pause.async_wait(kAwaitTuple);
    }
  }
}

void Server::Impl::take(tcp::socket socket) {
  boost::system::error_code error;
  const auto endpoint = socket.remote_endpoint(error);
  if (error) return;  // gone already
  const std::string peer = endpoint.address().to_string();
  const bool is_own = endpoint.address().is_loopback() || hub->proxies.has(endpoint.address());
  if (!hub->counts.add(peer, is_own, hub->options)) return turn_away(std::move(socket));
  socket.set_option(tcp::no_delay(true), error);
  socket.set_option(tcp::socket::send_buffer_size(kSendBufferBytes), error);
  std::shared_ptr<Connection> connection;
  {
    const Lock lock(mutex);
    connection = std::make_shared<Connection>(std::move(socket), tls, peer, hub);
    std::erase_if(known, [](const auto& each) { return each.expired(); });
    known.push_back(connection);
  }
  connection->start();
}

/// A new socket has room for a short answer. With TLS there is nobody to tell yet.
void Server::Impl::turn_away(tcp::socket socket) {
  if (!hub->options.tls_certificate.empty()) return;
  boost::system::error_code error;
  socket.non_blocking(true, error);
  socket.write_some(asio::buffer(full_answer()), error);
  if (error || turned_away >= kMaxTurnedAway) return;
  socket.shutdown(tcp::socket::shutdown_send, error);
  ++turned_away;
  const auto shared = std::make_shared<tcp::socket>(std::move(socket));
  asio::co_spawn(
      shared->get_executor(), [this, shared] { return wait_for_end(shared); }, asio::detached);
}

/// Closed on bytes that nobody read, the connection would be reset and the answer lost.
asio::awaitable<void> Server::Impl::wait_for_end(std::shared_ptr<tcp::socket> socket) {
  asio::steady_timer timer(socket->get_executor(), after(kTurnAwayS));
  timer.async_wait([socket](boost::system::error_code) {
    boost::system::error_code ignored;
    socket->close(ignored);
  });
  std::array<char, 4096> unread;
  bool is_open = true;
  while (is_open) {
    const auto [error, bytes] = co_await socket->async_read_some(asio::buffer(unread), kAwaitTuple);
    is_open = !error;
  }
  --turned_away;
}

void Server::Impl::run() {
  ::pthread_setname_np(::pthread_self(), "http");
  while (true) {
    try {
      io.run();
      return;
    } catch (const std::exception& fault) {  // ours; everybody else is served on
      log::error("an HTTP thread met a fault of ours: {}", fault.what());
    }
  }
}

std::vector<std::shared_ptr<Connection>> Server::Impl::connections() {
  const Lock lock(mutex);
  std::vector<std::shared_ptr<Connection>> alive;
  for (const auto& each : known) {
    if (auto connection = each.lock()) alive.push_back(std::move(connection));
  }
  return alive;
}

Server::Impl::~Impl() {
  for (const auto& connection : connections()) connection->close();
  const Clock::time_point begin = Clock::now();
  while (!threads.empty() && hub->counts.total() > 0 && seconds_since(begin) < kClosingS) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  io.stop();
  for (std::thread& thread : threads) thread.join();
}

Server::Server(const ServerOptions& options, Handler& handler)
    : impl_(std::make_unique<Impl>(options, handler)) {}

Server::~Server() { stop_accepting(); }

void Server::start() {
  asio::co_spawn(
      impl_->acceptor.get_executor(), [this] { return impl_->accept(); }, asio::detached);
  for (i64 i = 0; i < impl_->hub->options.threads; ++i) {
    impl_->threads.emplace_back([this] { impl_->run(); });
  }
}

void Server::reload_certificate() { impl_->load_certificate(); }

u16 Server::port() const { return impl_->acceptor.local_endpoint().port(); }

void Server::stop_accepting() {
  impl_->hub->stopping = true;
  asio::post(impl_->acceptor.get_executor(), [this] {
    boost::system::error_code ignored;
    impl_->acceptor.close(ignored);
  });
  for (const auto& connection : impl_->connections()) connection->look();
}

i64 Server::open_connections() const { return impl_->hub->counts.total(); }
i64 Server::busy_connections() const { return impl_->hub->busy; }

}  // namespace fathom::serve::http
