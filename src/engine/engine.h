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
};

/// One thread calls step() over and over (EngineThread, or the client's own); submit() and
/// everything else may come from any thread. What a request gets depends on itself alone: not on
/// other requests, on order, on chunking, on drafts, nor on the thread count (docs/decisions/0014).
class Engine {
 public:
  struct Impl;
  explicit Engine(std::unique_ptr<Impl> impl);
  /// Ends what is running: its streams finish as interrupted.
  ~Engine();

  /// Error{kInvalidInput} names every field that is wrong: an empty prompt or one that does not fit
  /// the context, ids outside the vocabulary, numbers outside their range.
  Result<Submission> submit(GenerateRequest request);

  /// One step: a pass over all decoding sequences, then layers of a chunk of prompts. False if
  /// there was nothing to do.
  bool step();
  /// Ends everything that waits or runs as FinishReason::kError, when the next step begins: after a
  /// step that threw, which is a fault of ours, or when nothing may go on.
  void fail_all(const std::string& message);
  /// Drops the tenant's cached pages, in memory and on disk, when the next step begins; what it has
  /// running leaves none behind. For users who go.
  void forget(const std::string& tenant);
  /// Until there may be something to do, or `timeout_s` is over.
  void wait(double timeout_s);

  /// Tokens that a sequence may have, prompt included.
  i64 context_tokens() const;
  bool drafts() const;  // the model has MTP modules, and they are on
  EngineCounters counters() const;
  /// Pages: all, those that nobody holds, and those whose text the cache knows. Without running
  /// requests the latter two make up the first.
  i64 num_pages() const;
  i64 num_free_pages() const;
  i64 num_cached_pages() const;
  /// Sequences that hold pages, and requests in the queue.
  i64 num_running() const;
  i64 num_waiting() const;
  /// Seconds since the last step began while there is work; 0 without: what a watchdog looks at.
  double stalled_s() const;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace fathom::engine
