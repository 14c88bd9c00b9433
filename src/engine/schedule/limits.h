#pragma once
#include "base/types.h"

namespace fathom::engine {

/// The policy in numbers. serving.md, sections 3.1 to 3.4, gives their reasons.
struct SchedulerLimits {
  // The model's.
  i64 num_layers = 1;            // a chunk's forward pass stops only between two
  i64 pairs_per_held_token = 0;  // a token before a chunk costs as much as so many pairs

  // Admission.
  i64 max_running = 64;  // sequences that hold pages at once
  i64 max_waiting = 256;
  i64 max_waiting_prompt_tokens = 2'000'000;
  double max_queue_s = 600;         // a longer estimated wait is refused at once
  double max_priority_wait_s = 60;  // after this a request counts as of the most urgent priority

  // A step.
  i64 chunk_tokens = 512;
  i64 min_chunk_tokens = 32;       // chunks whose one layer takes too long shrink down to this
  double target_s = 0.1;           // step time while someone decodes: the larger of this ...
  double target_decodes = 4;       // ... and so many decode passes
  double decode_share = 0.25;      // of the time, in the mean, whatever the prefills want
  double prefill_patience_s = 30;  // no started prompt goes without progress for longer

  // Ends.
  double max_blocked_s = 30;   // a reader that takes nothing for so long is gone
  double wall_clock_s = 3600;  // from submission
  int max_preemptions = 3;     // of one request
};

}  // namespace fathom::engine
