#pragma once
// Internal to http/: what all connections of a server share.
#include <atomic>
#include <map>
#include <memory>
#include <string>

#include "base/mutex.h"
#include "serve/http/server.h"
#include "serve/http/trusted_proxies.h"

namespace fathom::serve::http {

/// How many connections there are, by the address they come from.
class ConnectionCounts {
 public:
  /// False: there are too many already.
  bool add(const std::string& peer, bool is_own, const ServerOptions& options);
  void remove(const std::string& peer);
  i64 total() const;

 private:
  mutable Mutex mutex_;
  std::map<std::string, i64> by_peer_ FATHOM_GUARDED_BY(mutex_);
  i64 total_ FATHOM_GUARDED_BY(mutex_) = 0;
};

struct Hub {
  Hub(const ServerOptions& options_in, Handler& handler_in)
      : options(options_in), proxies(options_in.trusted_proxies), handler(handler_in) {}

  ServerOptions options;
  TrustedProxies proxies;
  Handler& handler;
  ConnectionCounts counts = {};
  std::atomic<i64> busy{0};           // connections that read or answer a request
  std::atomic<bool> stopping{false};  // those that wait for a request are to close
};

}  // namespace fathom::serve::http
