#pragma once
// Internal to http/ (Boost): where servers' names lead.
#include <boost/asio/ip/tcp.hpp>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "serve/http/client.h"

namespace fathom::serve::http {

/// The endpoints of servers' names, kept. A search cannot be called off (getaddrinfo), so each name
/// has a thread of its own for it: one that is slow to be found holds up itself alone. Any thread
/// may call.
class HostEndpoints : public std::enable_shared_from_this<HostEndpoints> {
 public:
  struct Found {
    std::vector<boost::asio::ip::tcp::endpoint> endpoints;
    boost::system::error_code error;  // of the last search
    bool is_searched = false;         // right now
  };
  /// What is known now; a search begins where that is nothing, or old. An address is its own
  /// endpoint at once.
  Found find(const ServerAddress& server);

 private:
  struct Entry {
    Found found;
    Clock::time_point begun;
  };
  void search(const ServerAddress& server);

  Mutex mutex_;
  std::map<std::string, Entry> entries_ FATHOM_GUARDED_BY(mutex_);  // by authority
};

}  // namespace fathom::serve::http
