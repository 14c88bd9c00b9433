#include "serve/http/wire.h"

#include <fmt/format.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>

#include "base/error.h"
#include "serve/http/signal.h"

namespace fathom::serve::http {
namespace {

namespace asio = boost::asio;
namespace ssl = boost::asio::ssl;

/// HTTP/1.1 is what is spoken here, whatever else the client offers.
int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_bytes,
                    const unsigned char* offered, unsigned int offered_bytes, void*) {
  static constexpr unsigned char kHttp11[] = "\x08http/1.1";
  unsigned char* chosen = nullptr;
  const int result = SSL_select_next_proto(&chosen, out_bytes, kHttp11, sizeof(kHttp11) - 1,
                                           offered, offered_bytes);
  if (result != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_NOACK;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

std::shared_ptr<ssl::context> load_tls(const std::string& certificate_file,
                                       const std::string& key_file) {
  const auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
  context->set_options(ssl::context::default_workarounds | ssl::context::no_tlsv1 |
                       ssl::context::no_tlsv1_1);
  SSL_CTX_set_alpn_select_cb(context->native_handle(), choose_protocol, nullptr);
  boost::system::error_code error;
  context->use_certificate_chain_file(certificate_file, error);
  if (error) {
    throw Error(ErrorCode::kInvalidInput, fmt::format("{}: expected a certificate in PEM: {}",
                                                      certificate_file, error.message()));
  }
  context->use_private_key_file(key_file, ssl::context::pem, error);
  if (error) {
    throw Error(ErrorCode::kInvalidInput, fmt::format("{}: expected the key of {} in PEM: {}",
                                                      key_file, certificate_file, error.message()));
  }
  return context;
}

Wire::Wire(Socket socket, std::shared_ptr<ssl::context> tls)
    : context_(std::move(tls)), socket_(std::move(socket)) {
  if (context_) tls_.emplace(socket_, *context_);
}

Wire::Awaitable<bool> Wire::handshake() {
  if (!tls_) co_return true;
  const auto [error] = co_await tls_->async_handshake(ssl::stream_base::server, kAwaitTuple);
  co_return !error;
}

Wire::Awaitable<size_t> Wire::read(char* data, size_t most) {
  const auto buffer = asio::buffer(data, most);
  const auto [error, bytes] = tls_ ? co_await tls_->async_read_some(buffer, kAwaitTuple)
                                   : co_await socket_.async_read_some(buffer, kAwaitTuple);
  co_return error ? 0 : bytes;
}

Wire::Awaitable<bool> Wire::write(std::string_view bytes) {
  const auto buffer = asio::buffer(bytes.data(), bytes.size());
  const auto [error, written] = tls_ ? co_await asio::async_write(*tls_, buffer, kAwaitTuple)
                                     : co_await asio::async_write(socket_, buffer, kAwaitTuple);
  co_return !error;
}

void Wire::probe() {
  const auto set = [fd = socket_.native_handle()](int level, int option, int value) {
    ::setsockopt(fd, level, option, &value, sizeof(value));
  };
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 10);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 5);
  set(IPPROTO_TCP, TCP_KEEPCNT, 4);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, 30'000);  // ms
}

void Wire::shutdown_send() {
  boost::system::error_code ignored;
  socket_.shutdown(Socket::shutdown_send, ignored);
}

void Wire::close() {
  boost::system::error_code ignored;
  socket_.close(ignored);
}

}  // namespace fathom::serve::http
