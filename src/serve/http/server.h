#pragma once
// HTTP/1.1 over TCP. All of Boost is behind this header.
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "serve/http/handler.h"

namespace fathom::serve::http {

/// In the answer to a connection above a limit, beside its 503.
inline constexpr std::string_view kTooManyConnections = "too_many_connections";

struct ServerOptions {
  std::string host = "127.0.0.1";
  i64 port = 8080;  // 0: one that is free
  i64 threads = 2;

  i64 max_header_bytes = i64{32} << 10;
  i64 max_headers = 100;
  i64 max_body_bytes = i64{32} << 20;
  double header_s = 10;  // from a request's first byte to the end of its header
  double body_grace_s = 10;
  double body_bytes_per_s = 1024;        // a body's least speed after body_grace_s
  double idle_s = 75;                    // between requests; longer than the 60 s of common proxies
  double write_s = 30;                   // a client that takes nothing for so long is gone
  double keep_alive_s = 10;              // of silence in a stream, before something is sent
  std::string tls_certificate, tls_key;  // PEM files; empty: plain HTTP
  i64 max_connections = 4096;
  i64 max_connections_per_peer = 64;  // but for this machine's own addresses and trusted proxies
  std::vector<std::string> trusted_proxies;  // addresses and networks
};

class Server {
 public:
  /// Listens; nothing is answered before start(). `handler` must outlive it. Throws Error: kIo that
  /// names the address, kInvalidInput for proxies that are none.
  Server(const ServerOptions& options, Handler& handler);
  /// Closes every connection.
  ~Server();

  void start();
  /// Reads the certificate and its key again, for connections to come. Throws Error that names the
  /// file; then the old ones stay.
  void reload_certificate();
  /// The one that was given or found.
  u16 port() const;
  /// No new connections, and those that wait for a next request are closed. What is being answered
  /// goes on.
  void stop_accepting();
  i64 open_connections() const;
  /// Connections on which a request is being read or answered.
  i64 busy_connections() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fathom::serve::http
