#pragma once
// Internal to http/ (Boost): bytes to and from a client, through TLS or not.
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace fathom::serve::http {

/// The server's certificate and key; what a client is shown. Throws Error that names the file.
std::shared_ptr<boost::asio::ssl::context> load_tls(const std::string& certificate_file,
                                                    const std::string& key_file);

/// One read and one write may be under way at once, on the socket's strand.
class Wire {
 public:
  using Socket = boost::asio::ip::tcp::socket;
  template <typename T>
  using Awaitable = boost::asio::awaitable<T>;

  /// `tls` null: plain.
  Wire(Socket socket, std::shared_ptr<boost::asio::ssl::context> tls);
  Wire(const Wire&) = delete;  // the TLS stream is around the socket where it lies
  Wire& operator=(const Wire&) = delete;

  /// False: the client speaks no TLS. True at once without TLS.
  Awaitable<bool> handshake();
  /// Bytes read; 0: there will be no more.
  Awaitable<size_t> read(char* data, size_t most);
  /// False: not all was taken.
  Awaitable<bool> write(std::string_view bytes);
  /// From now on a machine that is gone ends the connection, within 30 s: an answer may take its
  /// time, but without this it would be waited for for ever.
  void probe();
  void shutdown_send();
  void close();
  bool is_open() const { return socket_.is_open(); }
  Socket::executor_type executor() { return socket_.get_executor(); }

 private:
  std::shared_ptr<boost::asio::ssl::context> context_;
  Socket socket_;
  std::optional<boost::asio::ssl::stream<Socket&>> tls_;
};

}  // namespace fathom::serve::http
