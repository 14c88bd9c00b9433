#pragma once
// Many requests on one model: their tokens in shared steps, their rows in shared pages.
#include <memory>
#include <vector>

#include "base/error.h"
#include "engine/cache/disk_stats.h"
#include "engine/request.h"
#include "engine/schedule/draft_length.h"
#include "engine/stream.h"

namespace fathom::engine {

/// An accepted request, or one that must come again later.
struct Submission {
  std::shared_ptr<Stream> stream;  // null: refused, the queue is full or the wait too long
  double retry_after_s = 0.0;      // where it is null
};

/// Of a model whose experts are on several ranks (make_ranked_engine). Loads are pairs of a token
/// and an expert that a rank's experts ran.
struct ExpertCounters {
  i64 ranks = 1;
  /// Largest over mean load of a rank, mean of the layers that had any, since the placement that
  /// each has now.
  double imbalance = 1.0;
  /// The same of single rounds, by the sum of their largest loads: what waiting for the busiest
  /// costs. Few tokens cannot be even.
  double step_imbalance = 1.0;
  double predicted = 1.0;  // of the same layers, what the balancer said when it placed them
  u64 placements = 0;      // layers whose experts changed places
  u64 moved_slots = 0, moved_bytes = 0;
};

/// Since the engine was made.
struct EngineCounters {
  u64 steps = 0;
  u64 decode_passes = 0;
  u64 prompt_tokens = 0;  // computed
  // Requests that looked into the cache, once each, and what they found.
  u64 cache_queries = 0, cached_tokens = 0;
  u64 generated_tokens = 0;
  DraftCounters drafts;
  u64 preemptions = 0;
  // Tokens generated before a preemption whose rows came back from disk, or were decoded again.
  u64 restored_tokens = 0, replayed_tokens = 0;
  DiskStats disk;        // zeros without a disk tier
  double model_s = 0.0;  // in passes over the model
  double step_s = 0.0;   // in all
  ExpertCounters experts;
};

/// One thread calls step() over and over (EngineThread, or the client's own); submit() and
/// everything else may come from any thread. What a request gets depends on itself alone: not on
/// other requests, on order, on chunking, on drafts, nor on the thread count (docs/decisions/0014).
class Engine {
 public:
  struct Impl;  // of one model on one rank (make_engine)
  Engine() = default;
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  /// Ends what is running: its streams finish as interrupted.
  virtual ~Engine() = default;

  /// Error{kInvalidInput} names every field that is wrong: an empty prompt or one that does not fit
  /// the context, ids outside the vocabulary, numbers outside their range.
  virtual Result<Submission> submit(GenerateRequest request) = 0;

  /// One step: a pass over all decoding sequences, then layers of a chunk of prompts. False if
  /// there was nothing to do.
  virtual bool step() = 0;
  /// Ends everything that waits or runs as FinishReason::kError, when the next step begins: after a
  /// step that threw, which is a fault of ours, or when nothing may go on.
  virtual void fail_all(const std::string& message) = 0;
  /// Drops the tenant's cached pages, in memory and on disk, when the next step begins; what it has
  /// running leaves none behind. For users who go.
  virtual void forget(const std::string& tenant) = 0;
  /// Until there may be something to do, or `timeout_s` is over.
  virtual void wait(double timeout_s) = 0;

  /// Tokens that a sequence may have, prompt included.
  virtual i64 context_tokens() const = 0;
  virtual bool drafts() const = 0;  // the model has MTP modules, and they are on
  virtual EngineCounters counters() const = 0;
  /// Pages: all, those that nobody holds, and those whose text the cache knows. Without running
  /// requests the latter two make up the first.
  virtual i64 num_pages() const = 0;
  virtual i64 num_free_pages() const = 0;
  virtual i64 num_cached_pages() const = 0;
  /// Sequences that hold pages, and requests in the queue.
  virtual i64 num_running() const = 0;
  virtual i64 num_waiting() const = 0;
  /// Seconds since the last step began while there is work; 0 without: what a watchdog looks at.
  virtual double stalled_s() const = 0;
};

}  // namespace fathom::engine
