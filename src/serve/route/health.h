#pragma once
// Looks now and then whether the servers behind a router answer.
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "serve/http/client.h"
#include "serve/route/servers.h"

namespace fathom::serve {

/// Asks every server for /ready, all at once: 200 makes it ready; 503 says why it is not; one that
/// says nothing is away, and for `lost_after` looks, or if it says that it stalls, lost. One that
/// has no room for a connection is alive. Where
/// servers are to want keys, one that would answer without one is kept away.
class HealthWatch {
 public:
  /// All three outlive it.
  HealthWatch(Servers& servers, http::Client& client, const RouteSection& settings);
  ~HealthWatch();
  HealthWatch(const HealthWatch&) = delete;
  HealthWatch& operator=(const HealthWatch&) = delete;

 private:
  /// What a server said, where it said something.
  struct Word {
    int status = 0;  // 0: nothing
    std::string text;
    bool is_closed = false;  // it took the connection and closed it without a word
  };
  /// At one server.
  struct Look {
    std::vector<std::shared_ptr<http::Exchange>> exchanges;
    std::vector<Word> words;  // [2]: of /ready, and without a key
    std::vector<bool> done;
    bool is_judged = false;
  };
  void run();
  void look();
  Look begin(i64 server);
  static bool advance(Look& look);
  void judge(i64 server, const Word& ready, const Word& without_key);

  Servers& servers_;
  http::Client& client_;
  const RouteSection& settings_;
  std::vector<i64> silent_looks_;  // in a row, by server
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  u64 news_ = 0;
  std::thread thread_;
};

}  // namespace fathom::serve
