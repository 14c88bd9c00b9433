#pragma once
// What the scheduler answers.
#include <array>
#include <span>

#include "engine/schedule/prefill_chunk.h"
#include "engine/schedule/request.h"

namespace fathom::engine {

enum class AdmissionOutcome {
  kAccepted,
  kQueueFull,    // requests or prompt tokens of all tenants, or requests of this one
  kWaitTooLong,  // the estimated wait is above max_queue_s
};
struct Admission {
  AdmissionOutcome outcome = AdmissionOutcome::kAccepted;
  RequestId id{};            // if accepted
  double retry_after_s = 0;  // otherwise, >= 1
};

/// A request whose turn it is. It may start when pages for `tokens_to_hold` tokens are free; with
/// `reserve` these pages become its own at once, so that it never needs others: it was preempted
/// as often as a request may be.
struct Turn {
  RequestId id;
  i64 tokens_to_hold = 0;
  bool reserve = false;
};

struct StepPlan {
  /// Sequences to decode in one pass, in the order in which they started.
  std::span<const RequestId> decoding;
  /// The prefill chunk under way; empty: none. It stays the same, less requests that leave, until
  /// all its layers have run.
  std::span<const ChunkItem> chunk;
  i64 first_layer = 0;  // of the chunk, to run next
  i64 layers = 0;       // how many are expected to fit; run_another_layer() decides
  double target_s = 0;  // of this step; 0: nobody decodes, so none
};

enum class ExpiredReason { kSlowReader, kWallClock };
struct Expired {
  RequestId id;
  ExpiredReason reason;
};

struct SchedulerCounters {
  u64 accepted = 0;
  u64 refused = 0;
  u64 forked = 0;
  u64 preemptions = 0;
  u64 finished = 0;
  std::array<u64, kPhases> cancelled{};  // by Phase
};

}  // namespace fathom::engine
