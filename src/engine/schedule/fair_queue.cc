#include "engine/schedule/fair_queue.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>

#include "base/check.h"

namespace fathom::engine {

FairQueue::FairQueue(i64 capacity, double max_priority_wait_s)
    : max_priority_wait_s_(max_priority_wait_s) {
  waiting_.reserve(static_cast<size_t>(capacity));
}

const FairQueue::Tenant* FairQueue::find(TenantId id) const {
  for (const Tenant& tenant : tenants_) {
    if (tenant.known && tenant.id == id) return &tenant;
  }
  return nullptr;
}

size_t FairQueue::index_of(TenantId id) {
  const Tenant* tenant = find(id);
  if (tenant == nullptr) {
    const auto is_free = [](const Tenant& entry) { return !entry.known; };
    auto entry = std::find_if(tenants_.begin(), tenants_.end(), is_free);
    if (entry == tenants_.end()) entry = tenants_.insert(entry, Tenant{});
    *entry = Tenant{.id = id, .known = true};
    tenant = &*entry;
  }
  return static_cast<size_t>(tenant - tenants_.data());
}

void FairQueue::begin_to_wait(Tenant& tenant) {
  if (waiting_.empty()) {
    for (Tenant& each : tenants_) each.served = 0;
  }
  double least = std::numeric_limits<double>::infinity();
  for (const Tenant& each : tenants_) {
    if (each.waiting.requests > 0) least = std::min(least, each.served);
  }
  if (std::isfinite(least)) tenant.served = std::max(tenant.served, least);
  // Whoever is neither here nor ahead of the rest would come back at the same level: forget it.
  for (Tenant& each : tenants_) {
    const bool idle = each.waiting.requests == 0 && each.running_rows == 0;
    if (idle && &each != &tenant && (waiting_.empty() || each.served <= least)) each.known = false;
  }
}

void FairQueue::push(RequestId id, const Request& request, i64 rows, i64 prompt_tokens, Place place,
                     double now_s) {
  FATHOM_CHECK(request.terms.weight > 0, "weight ", request.terms.weight);
  const size_t index = index_of(request.tenant);
  Tenant& tenant = tenants_[index];
  tenant.terms = request.terms;
  if (tenant.waiting.requests == 0) begin_to_wait(tenant);
  ++tenant.waiting.requests;
  tenant.waiting.prompt_tokens += prompt_tokens;
  prompt_tokens_ += prompt_tokens;
  waiting_.insert(place == Place::kHead ? waiting_.begin() : waiting_.end(),
                  Waiting{.id = id,
                          .tenant = index,
                          .rows = rows,
                          .prompt_tokens = prompt_tokens,
                          .priority = request.priority,
                          .blocked = false,
                          .since_s = now_s});
}

std::vector<FairQueue::Waiting>::iterator FairQueue::entry_of(RequestId id) {
  return std::find_if(waiting_.begin(), waiting_.end(),
                      [id](const Waiting& entry) { return entry.id == id; });
}

void FairQueue::remove(std::vector<Waiting>::iterator entry) {
  Tenant& tenant = tenants_[entry->tenant];
  --tenant.waiting.requests;
  tenant.waiting.prompt_tokens -= entry->prompt_tokens;
  prompt_tokens_ -= entry->prompt_tokens;
  waiting_.erase(entry);
}

bool FairQueue::erase(RequestId id) {
  const auto entry = entry_of(id);
  if (entry == waiting_.end()) return false;
  remove(entry);
  return true;
}

void FairQueue::set_blocked(RequestId id, bool blocked) {
  const auto entry = entry_of(id);
  if (entry != waiting_.end()) entry->blocked = blocked;
}

bool FairQueue::may_run(const Waiting& entry) const {
  if (entry.blocked) return false;
  const Tenant& tenant = tenants_[entry.tenant];
  const i64 most = tenant.terms.max_parallel;
  return most == 0 || tenant.running_rows == 0 || tenant.running_rows + entry.rows <= most;
}

bool FairQueue::goes_before(const Waiting& a, const Waiting& b, int most_urgent,
                            double now_s) const {
  const auto key = [&](const Waiting& entry) {
    const Tenant& tenant = tenants_[entry.tenant];
    const bool patient = now_s - entry.since_s < max_priority_wait_s_;
    return std::tuple(patient ? entry.priority : most_urgent, tenant.served, tenant.last_turn);
  };
  return key(a) < key(b);
}

std::optional<RequestId> FairQueue::next(double now_s) const {
  int most_urgent = std::numeric_limits<int>::max();
  for (const Waiting& entry : waiting_) most_urgent = std::min(most_urgent, entry.priority);
  const Waiting* first = nullptr;
  for (const Waiting& entry : waiting_) {
    if (!may_run(entry)) continue;
    if (first == nullptr || goes_before(entry, *first, most_urgent, now_s)) first = &entry;
  }
  return first == nullptr ? std::nullopt : std::optional(first->id);
}

void FairQueue::start(RequestId id) {
  const auto entry = entry_of(id);
  FATHOM_CHECK(entry != waiting_.end(), "request in slot ", id.slot, " does not wait");
  Tenant& tenant = tenants_[entry->tenant];
  tenant.running_rows += entry->rows;
  tenant.last_turn = ++turns_;
  remove(entry);
}

void FairQueue::charge(TenantId id, i64 tokens) {
  Tenant* tenant = find(id);
  if (tenant != nullptr) tenant->served += static_cast<double>(tokens) / tenant->terms.weight;
}

void FairQueue::stopped(TenantId id, i64 rows) {
  Tenant* tenant = find(id);
  FATHOM_CHECK(tenant != nullptr && tenant->running_rows >= rows, "rows ", rows);
  tenant->running_rows -= rows;
}

i64 FairQueue::waiting_of(TenantId id) const {
  const Tenant* tenant = find(id);
  return tenant == nullptr ? 0 : tenant->waiting.requests;
}

i64 FairQueue::num_tenants() const {
  return std::count_if(tenants_.begin(), tenants_.end(),
                       [](const Tenant& tenant) { return tenant.known; });
}

QueuedWork FairQueue::ahead_of(TenantId id, double weight) const {
  double weights = weight;
  for (const Tenant& tenant : tenants_) {
    if (tenant.waiting.requests > 0 && tenant.id != id) weights += tenant.terms.weight;
  }
  const Tenant* tenant = find(id);
  const QueuedWork own = tenant == nullptr ? QueuedWork{} : tenant->waiting;
  const auto shared = [&](i64 of_own, i64 of_all) {
    return std::min(of_all, static_cast<i64>(static_cast<double>(of_own) * weights / weight));
  };
  return {shared(own.requests, size()), shared(own.prompt_tokens, prompt_tokens_)};
}

}  // namespace fathom::engine
