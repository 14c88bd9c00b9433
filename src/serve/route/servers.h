#pragma once
// The servers behind a router: which of them answer, what each has to do, and which is next.
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "engine/ranks/prefix_router.h"
#include "serve/http/client.h"
#include "serve/route/prompt_words.h"
#include "serve/route/route_config.h"

namespace fathom::serve {

/// kAway: takes nothing new (it is loading, going down, or was not reached); what it answers goes
/// on. kLost: it does not move any more, and what it was to answer fails.
enum class ServerState { kReady, kAway, kLost };
std::string_view name(ServerState state);

/// Since the router was started, but for the gauges `state` and `in_flight`.
struct ServerCounts {
  ServerState state = ServerState::kAway;
  i64 in_flight = 0;
  i64 requests = 0;  // that were sent to it
  i64 failures = 0;  // of these, without an answer, or with a part of one
  i64 broken = 0;    // of those, answers of which the client has a part
  i64 refusals = 0;  // it had no room, and said so
};

/// Any thread may call.
class Servers {
 public:
  /// A request at a server, until this goes.
  class Place {
   public:
    Place(Servers& servers, i64 server, u64 id) : servers_(&servers), server_(server), id_(id) {}
    Place(Place&& other) noexcept;
    Place& operator=(Place&&) = delete;
    ~Place();
    i64 server() const { return server_; }
    /// Fails when the server is lost, also if it is by now.
    void carries(const std::shared_ptr<http::Exchange>& exchange);

   private:
    Servers* servers_;  // null: moved from
    i64 server_;
    u64 id_;
  };

  explicit Servers(const RouteSection& settings);

  i64 size() const { return std::ssize(addresses_); }
  const http::ServerAddress& address(i64 server) const {
    return addresses_[static_cast<size_t>(server)];
  }
  /// Of those that are ready and not in `tried`; nullopt: there is none.
  std::optional<Place> take(const PromptWords& prompt, std::span<const i64> tried);
  bool any_ready() const;
  /// `why` is for the log, which hears of changes.
  void set_state(i64 server, ServerState state, std::string_view why);
  /// `is_silent`: nothing came of it, so nothing new is sent there until it was looked at again.
  void failed(i64 server, std::string_view problem, bool is_silent);
  void count_broken(i64 server);
  void count_refusal(i64 server);
  ServerCounts counts(i64 server) const;
  /// Prometheus's text format.
  std::string metrics_text() const;

 private:
  struct Server {
    ServerCounts counts;
    std::string why;  // it is in that state
    std::map<u64, std::weak_ptr<http::Exchange>> flights;
  };
  std::optional<i64> choose(std::span<const u64> keys, std::span<const i64> tried)
      FATHOM_REQUIRES(mutex_);
  void give_back(i64 server, u64 id);
  void level(i64 server) FATHOM_REQUIRES(mutex_);

  const std::vector<http::ServerAddress> addresses_;
  const RouteChoice choice_;
  const engine::PrefixRouterOptions prefix_options_;
  mutable Mutex mutex_;
  std::vector<Server> servers_ FATHOM_GUARDED_BY(mutex_);
  engine::PrefixRouter router_ FATHOM_GUARDED_BY(mutex_);
  i64 next_turn_ FATHOM_GUARDED_BY(mutex_) = 0;
  u64 ids_ FATHOM_GUARDED_BY(mutex_) = 0;
  i64 retries_ FATHOM_GUARDED_BY(mutex_) = 0;
};

}  // namespace fathom::serve
