#pragma once
// What the server did in the last hour, as samples that an operator's page draws.
#include <array>
#include <deque>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "base/types.h"

namespace fathom::serve {

/// Counts: since the server began, or of one sample.
struct Activity {
  i64 prompt_tokens = 0;  // computed
  i64 cached_tokens = 0;  // of prompts, found in the cache
  i64 generated_tokens = 0;
  i64 draft_tokens = 0, accepted_tokens = 0;
  i64 finished = 0, failed = 0, refused = 0, cancelled = 0;  // requests
};

struct ActivityColumn {
  std::string_view name;
  i64 Activity::*value;
};
inline constexpr std::array<ActivityColumn, 9> kActivityColumns = {
    {{"prompt_tokens", &Activity::prompt_tokens},
     {"cached_tokens", &Activity::cached_tokens},
     {"generated_tokens", &Activity::generated_tokens},
     {"draft_tokens", &Activity::draft_tokens},
     {"accepted_tokens", &Activity::accepted_tokens},
     {"finished", &Activity::finished},
     {"failed", &Activity::failed},
     {"refused", &Activity::refused},
     {"cancelled", &Activity::cancelled}}};

/// What holds at one moment.
struct Load {
  i64 running = 0, waiting = 0;  // requests
  double cache_share = 0.0;      // of the cache's pages, those that hold rows
};

struct Sample {
  double end_s = 0.0;    // seconds since 1970
  double seconds = 0.0;  // its length
  Activity activity;     // in it
  Load load;             // at its end
};

/// The last `most` samples. Any thread.
class History {
 public:
  explicit History(size_t most) : most_(most) {}

  /// Ends a sample. `total` is counted since the server began; the first call only begins one.
  void add(const Activity& total, const Load& load, double now_s);
  /// Those that ended later than `after_s`, in order.
  std::vector<Sample> samples(double after_s) const;

 private:
  const size_t most_;
  mutable Mutex mutex_;
  bool begun_ FATHOM_GUARDED_BY(mutex_) = false;
  Activity last_ FATHOM_GUARDED_BY(mutex_);
  double last_s_ FATHOM_GUARDED_BY(mutex_) = 0.0;
  std::deque<Sample> samples_ FATHOM_GUARDED_BY(mutex_);
};

}  // namespace fathom::serve
