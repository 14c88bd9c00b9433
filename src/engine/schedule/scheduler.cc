#include "engine/schedule/scheduler.h"

#include <algorithm>
#include <limits>
#include <tuple>

#include "base/check.h"

namespace fathom::engine {

Scheduler::Scheduler(const SchedulerLimits& limits, CostModel cost)
    : limits_(limits),
      cost_(std::move(cost)),
      queue_(limits.max_waiting + limits.max_running, limits.max_priority_wait_s),
      budget_(limits) {
  FATHOM_CHECK(limits.num_layers >= 1 && limits.max_running >= 1, "layers ", limits.num_layers,
               ", running ", limits.max_running);
  FATHOM_CHECK(limits.min_chunk_tokens >= 1 && limits.chunk_tokens >= limits.min_chunk_tokens,
               "chunk of ", limits.chunk_tokens, " tokens, at least ", limits.min_chunk_tokens);
  const auto rows = static_cast<size_t>(limits.max_running);
  slots_.reserve(rows + static_cast<size_t>(limits.max_waiting));
  free_slots_.reserve(slots_.capacity());
  expired_.reserve(slots_.capacity());
  running_.reserve(rows);
  decoding_.reserve(rows);
  pending_.reserve(rows);
  chunk_.reserve(rows);
  completed_.reserve(rows);
}

const Scheduler::Slot* Scheduler::find(RequestId id) const {
  if (id.slot >= slots_.size()) return nullptr;
  const Slot& slot = slots_[id.slot];
  return slot.used && slot.generation == id.generation ? &slot : nullptr;
}

const Scheduler::Slot& Scheduler::slot(RequestId id) const {
  const Slot* found = find(id);
  FATHOM_CHECK(found != nullptr, "no request in slot ", id.slot, " of generation ", id.generation);
  return *found;
}

RequestId Scheduler::take_slot(const Request& request, double now_s) {
  if (free_slots_.empty()) {
    free_slots_.push_back(static_cast<u32>(slots_.size()));
    slots_.emplace_back();
  }
  const u32 index = free_slots_.back();
  free_slots_.pop_back();
  const u32 generation = slots_[index].generation;
  slots_[index] = Slot{.generation = generation,
                       .used = true,
                       .request = request,
                       .rows = request.sequences,
                       .submitted_s = now_s,
                       .progress_s = now_s};
  return {index, generation};
}

Admission Scheduler::submit(const Request& request, double now_s) {
  FATHOM_CHECK(request.prompt_tokens >= 1 && request.max_new_tokens >= 1 && request.sequences >= 1,
               "prompt of ", request.prompt_tokens, " tokens, ", request.max_new_tokens, " new, ",
               request.sequences, " sequences");
  const double wait_s = estimated_wait_s(request);
  const AdmissionOutcome outcome = decide(request, wait_s);
  if (outcome != AdmissionOutcome::kAccepted) {
    ++counters_.refused;
    return {.outcome = outcome, .retry_after_s = std::max(wait_s, 1.0)};
  }
  ++counters_.accepted;
  const RequestId id = take_slot(request, now_s);
  queue_.push(id, request, request.sequences, request.prompt_tokens, FairQueue::Place::kBack,
              now_s);
  return {.id = id};
}

std::optional<Turn> Scheduler::next_to_start(double now_s) const {
  if (running_rows_ >= limits_.max_running) return std::nullopt;
  const auto id = queue_.next(now_s);
  if (!id) return std::nullopt;
  const Slot& next = slot(*id);
  if (!running_.empty() && running_rows_ + next.rows > limits_.max_running) return std::nullopt;
  // Each preemption asks for a larger part of what it may still need; after the last, for all.
  const i64 still = std::max<i64>(next.request.max_new_tokens - next.generated, 0);
  const i64 most = std::max(limits_.max_preemptions, 1);
  return Turn{.id = *id,
              .tokens_to_hold = next.total() + still * next.preemptions / most,
              .reserve = next.preemptions >= limits_.max_preemptions};
}

void Scheduler::start(RequestId id, i64 cached_tokens, double now_s) {
  Slot& starting = slot(id);
  FATHOM_CHECK(cached_tokens >= 0 && cached_tokens < starting.total(), cached_tokens,
               " cached tokens of ", starting.total());
  queue_.start(id);
  running_.push_back(id);
  running_rows_ += starting.rows;
  starting.phase = Phase::kPrefill;
  starting.computed = cached_tokens;
  starting.progress_s = now_s;
  if (starting.preemptions > 0) return;  // its tenant has paid already
  starting.prepaid = starting.total() - cached_tokens;
  queue_.charge(starting.request.tenant, starting.prepaid);
}

void Scheduler::defer(RequestId id) {
  Slot& waiting = slot(id);
  FATHOM_CHECK(waiting.phase == Phase::kPrefill && waiting.work == 0, "defers slot ", id.slot,
               " after ", waiting.work, " tokens");
  waiting.deferred = true;
}

void Scheduler::resume(RequestId id, i64 cached_tokens, double now_s) {
  Slot& waiting = slot(id);
  FATHOM_CHECK(waiting.deferred && cached_tokens < waiting.total(), cached_tokens,
               " cached tokens of ", waiting.total());
  const i64 more = cached_tokens - waiting.computed;
  waiting.deferred = false;
  waiting.computed = cached_tokens;
  waiting.progress_s = now_s;
  if (waiting.preemptions > 0) return;
  waiting.prepaid -= more;  // another has paid for them
  queue_.charge(waiting.request.tenant, -more);
}

RequestId Scheduler::fork(RequestId parent, double now_s) {
  Slot& from = slot(parent);
  FATHOM_CHECK(from.phase == Phase::kDecode && from.rows > 1, "rows left ", from.rows);
  --from.rows;
  ++counters_.forked;
  Request request = from.request;
  request.sequences = 1;
  const i64 computed = request.prompt_tokens;
  const double submitted_s = from.submitted_s;
  const RequestId id = take_slot(request, submitted_s);  // `from` may be gone after this
  Slot& child = slot(id);
  child.phase = Phase::kDecode;
  child.computed = computed;
  child.progress_s = now_s;
  running_.push_back(id);
  return id;
}

void Scheduler::stop_running(RequestId id, const Slot& stopping) {
  leave_chunk(id);
  running_.erase(std::find(running_.begin(), running_.end(), id));
  running_rows_ -= stopping.rows;
  queue_.stopped(stopping.request.tenant, stopping.rows);
}

void Scheduler::release(RequestId id) {
  Slot& leaving = slot(id);
  if (leaving.phase == Phase::kWaiting) {
    queue_.erase(id);
  } else {
    queue_.charge(leaving.request.tenant, -leaving.prepaid);
    stop_running(id, leaving);
  }
  leaving.used = false;
  ++leaving.generation;
  free_slots_.push_back(id.slot);
}

bool Scheduler::cancel(RequestId id) {
  const Slot* leaving = find(id);
  if (leaving == nullptr) return false;
  ++counters_.cancelled[static_cast<size_t>(leaving->phase)];
  release(id);
  return true;
}

bool Scheduler::finish(RequestId id) {
  const Slot* leaving = find(id);
  if (leaving == nullptr) return false;
  ++counters_.finished;
  mean_generated_ += 0.1 * (static_cast<double>(leaving->generated) - mean_generated_);
  release(id);
  return true;
}

std::optional<RequestId> Scheduler::victim() const {
  const Slot* best = nullptr;
  std::optional<RequestId> id;
  for (const RequestId each : running_) {
    const Slot& candidate = slot(each);
    if (candidate.preemptions >= limits_.max_preemptions) continue;
    const auto key = [](const Slot& s) {
      return std::tuple(-s.request.priority, !s.blocked, s.work);
    };
    // On equality the later one, which is the newer one.
    if (best != nullptr && key(*best) < key(candidate)) continue;
    best = &candidate;
    id = each;
  }
  return id;
}

void Scheduler::preempt(RequestId id, double now_s) {
  Slot& stopping = slot(id);
  FATHOM_CHECK(stopping.phase != Phase::kWaiting, "slot ", id.slot, " holds no pages");
  stop_running(id, stopping);
  ++counters_.preemptions;
  ++stopping.preemptions;
  stopping.phase = Phase::kWaiting;
  stopping.deferred = false;
  stopping.computed = 0;
  stopping.work = 0;
  queue_.push(id, stopping.request, stopping.rows, stopping.total(), FairQueue::Place::kHead,
              now_s);
  queue_.set_blocked(id, stopping.blocked);
}

void Scheduler::set_blocked(RequestId id, bool blocked, double now_s) {
  Slot* found = find(id);
  if (found == nullptr || found->blocked == blocked) return;
  found->blocked = blocked;
  found->blocked_s = now_s;
  found->progress_s = now_s;
  queue_.set_blocked(id, blocked);
}

double Scheduler::limit_s(const Slot& slot) const {
  const double wall_clock_s = slot.submitted_s + limits_.wall_clock_s;
  return slot.blocked ? std::min(wall_clock_s, slot.blocked_s + limits_.max_blocked_s)
                      : wall_clock_s;
}

std::span<const Expired> Scheduler::expired(double now_s) {
  expired_.clear();
  for (u32 i = 0; i < slots_.size(); ++i) {
    const Slot& each = slots_[i];
    if (!each.used || now_s < limit_s(each)) continue;
    const bool wall_clock = now_s >= each.submitted_s + limits_.wall_clock_s;
    expired_.push_back({{i, each.generation},
                        wall_clock ? ExpiredReason::kWallClock : ExpiredReason::kSlowReader});
  }
  return expired_;
}

double Scheduler::next_expiry_s() const {
  double first_s = std::numeric_limits<double>::infinity();
  for (const Slot& each : slots_) {
    if (each.used) first_s = std::min(first_s, limit_s(each));
  }
  return first_s;
}

std::optional<Phase> Scheduler::phase(RequestId id) const {
  const Slot* found = find(id);
  return found == nullptr ? std::nullopt : std::optional(found->phase);
}

}  // namespace fathom::engine
