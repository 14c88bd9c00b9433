#pragma once
// The other side of HTTP/1.1: requests to other servers. All of Boost is behind this header.
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "serve/http/request.h"

namespace fathom::serve::http {

/// Where another server listens.
struct ServerAddress {
  std::string host;  // a name or an address; of IPv6 without brackets
  u16 port = 80;

  /// "10.0.0.1:8080", "[::1]:80": what a Host header says.
  std::string authority() const;
};
/// Of "http://HOST" or "http://HOST:PORT", with a slash behind it or without; nullopt: of nothing
/// else.
std::optional<ServerAddress> parse_server_url(std::string_view url);

struct ClientOptions {
  i64 threads = 2;
  double connect_s = 5;  // to find the server's address and to reach it
  double write_s = 30;   // a server that takes nothing for so long is gone
  i64 max_header_bytes = i64{64} << 10;
  /// Of a body that came and was not asked for: with more the connection is not read on.
  i64 max_unread_bytes = i64{256} << 10;
};

struct OutgoingRequest {
  std::string method = "GET";
  std::string target = "/";     // with its query
  std::vector<Header> headers;  // without Host, Connection and those of the body's length
  std::string body;
};

struct ResponseHead {
  int status = 0;
  std::vector<Header> headers;  // names in lower case; without those of the connection alone
};

/// A request on its way, and what came back of it. Any thread may call.
class Exchange {
 public:
  enum class State { kMore, kEnded, kFailed };
  /// How far it came, whatever became of it.
  enum class Progress { kNothing, kConnected, kSent, kAnswered };
  struct Impl;
  explicit Exchange(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
  /// Closes its connection: the server's side of it is cancelled.
  ~Exchange();
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  /// `wake` is called after anything new, at once if there is something; {}: no more once this
  /// returns.
  void on_news(std::function<void()> wake);
  /// nullopt: it has not come yet.
  std::optional<ResponseHead> head() const;
  /// Appends what is new of the body. kEnded: all of it came, and the answer is whole.
  State pull(std::string& out);
  /// Why it failed.
  std::string problem() const;
  /// kSent: the system took the whole request; kAnswered: something came back.
  Progress progress() const;
  /// It fails with this, unless it has ended.
  void cancel(const std::string& problem);

 private:
  std::shared_ptr<Impl> impl_;
};

/// Sends requests, each over a connection of its own. Plain HTTP alone.
class Client {
 public:
  explicit Client(const ClientOptions& options);
  /// Exchanges that are under way fail.
  ~Client();

  std::shared_ptr<Exchange> send(const ServerAddress& to, const OutgoingRequest& request);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The names in a Connection header's value, in lower case.
std::vector<std::string> connection_names(std::string_view value);
/// Of one connection, not of a message: what a proxy does not pass on (RFC 9110, 7.6.1). `name` in
/// lower case.
bool is_hop_by_hop(std::string_view name);

}  // namespace fathom::serve::http
