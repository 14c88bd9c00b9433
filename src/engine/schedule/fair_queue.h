#pragma once
// Waiting requests, and whose turn it is.
#include <optional>
#include <utility>
#include <vector>

#include "engine/schedule/request.h"

namespace fathom::engine {

/// Work that stands before a request.
struct QueuedWork {
  i64 requests = 0;
  i64 prompt_tokens = 0;
};

/// Shares the machine among tenants in tokens of work: prompt tokens that the cache did not have,
/// and decoded tokens, charged as they come. Inside a tenant first come, first served, except that
/// a preempted request goes to the head.
///
/// Deficit round robin for work whose size nobody knows before it is done: a tenant's `served` is
/// its work over its weight, and the tenant with the least of it is next; on equality the one whose
/// last turn is longest ago. (Sheng et al. 2024, "Fairness in Serving Large Language Models": the
/// virtual token counter.) Work done while a tenant had nothing waiting took nothing from others:
/// who comes to wait starts at the level of the least served who waits already, so nobody saves up
/// turns by idling, and when nobody waits the past is forgotten.
///
/// Priority goes before fairness, lower first; a request that waited `max_priority_wait_s` counts
/// as of the most urgent that waits, so a stream of urgent ones starves nobody. Never larger than a
/// few hundred entries: whose turn it is takes one pass over them.
class FairQueue {
 public:
  /// `capacity`: entries for which memory is kept, so that none is allocated while running.
  FairQueue(i64 capacity, double max_priority_wait_s);

  enum class Place { kBack, kHead };  // kHead: it was preempted

  /// `id` waits, not blocked, from `now_s` on with `rows` sequences; its `prompt_tokens` are what
  /// would have to be computed without a cache.
  void push(RequestId id, const Request& request, i64 rows, i64 prompt_tokens, Place place,
            double now_s);
  /// Leaves without having started. False: not here.
  bool erase(RequestId id);

  /// A blocked request keeps its place and is passed over. Not here: nothing happens.
  void set_blocked(RequestId id, bool blocked);

  /// Whose turn it is, among those whose tenant may run more. It stays so while it does not fit:
  /// nobody smaller goes before it, or large requests would never start.
  std::optional<RequestId> next(double now_s) const;
  /// `id` leaves the queue and holds its rows until stopped().
  void start(RequestId id);

  /// `tokens` of work done for the tenant, or given back (negative).
  void charge(TenantId tenant, i64 tokens);
  /// `rows` sequences of the tenant stopped running.
  void stopped(TenantId tenant, i64 rows);

  i64 size() const { return static_cast<i64>(waiting_.size()); }
  i64 prompt_tokens() const { return prompt_tokens_; }
  i64 waiting_of(TenantId tenant) const;
  i64 num_tenants() const;

  /// What would run before a new request of this tenant: all that waits, or, where its fair share
  /// lets it pass others, its own scaled up by the shares of the others.
  QueuedWork ahead_of(TenantId tenant, double weight) const;

 private:
  struct Tenant {
    TenantId id = 0;
    bool known = false;  // false: a free entry
    TenantTerms terms{};
    double served = 0;  // tokens of work over weight
    u64 last_turn = 0;
    i64 running_rows = 0;
    QueuedWork waiting{};
  };
  struct Waiting {
    RequestId id;
    size_t tenant;  // index in tenants_
    i64 rows;
    i64 prompt_tokens;
    int priority;
    bool blocked;
    double since_s;
  };

  const Tenant* find(TenantId id) const;
  Tenant* find(TenantId id) { return const_cast<Tenant*>(std::as_const(*this).find(id)); }
  size_t index_of(TenantId id);
  void begin_to_wait(Tenant& tenant);
  std::vector<Waiting>::iterator entry_of(RequestId id);
  void remove(std::vector<Waiting>::iterator entry);
  bool may_run(const Waiting& entry) const;
  bool goes_before(const Waiting& a, const Waiting& b, int most_urgent, double now_s) const;

  double max_priority_wait_s_;
  std::vector<Waiting> waiting_;  // in the order of arrival, preempted ones in front
  std::vector<Tenant> tenants_;
  i64 prompt_tokens_ = 0;
  u64 turns_ = 0;
};

}  // namespace fathom::engine
