#pragma once
#include "base/types.h"

namespace fathom::engine {

/// Of prompts that one rank computed and another decoded. Since the engine was made, but for the
/// first three.
struct HandoverCounters {
  i64 prompts = 0, rows = 0, places = 0;  // requests in each phase now
  i64 prefill_ranks = 0;
  u64 done = 0;              // hand-overs whose rows arrived
  u64 refused = 0;           // the decode rank had no pages
  u64 aborted = 0;           // by a client that went away, a damaged page or a deadline
  u64 lost = 0;              // the other rank said nothing any more
  u64 pages = 0, bytes = 0;  // of those that arrived
  double prompt_s = 0.0;     // of all prompts, from submission to the last row
  double rows_s = 0.0;       // of those that arrived, from there to their arrival
};

/// An engine over several ranks that may do so.
class HandsOver {
 public:
  virtual ~HandsOver() = default;
  /// prefill_ranks 0: it does not.
  virtual HandoverCounters handover_counters() const = 0;
};

}  // namespace fathom::engine
