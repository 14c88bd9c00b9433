#pragma once
#include <ctime>

#include "base/types.h"
#include "grammar/budget.h"

namespace fathom::grammar {

/// How long one piece of work may take; looks at the clock now and then.
class Deadline {
 public:
  enum class Clock : clockid_t {
    kWall = CLOCK_MONOTONIC,
    kThreadCpu = CLOCK_THREAD_CPUTIME_ID,  // not counting what other programs take away
  };

  /// From now on; `what` takes too long, if so. <= 0: no limit.
  void set(double seconds, Clock clock, const char* what) {
    clock_ = clock;
    what_ = what;
    end_s_ = seconds <= 0 ? 0 : now_s() + seconds;
  }
  /// Throws BudgetError.
  void check() {
    constexpr u32 kCallsPerLook = 256;
    if (end_s_ == 0 || ++calls_ % kCallsPerLook != 0) return;
    if (now_s() > end_s_) throw BudgetError(std::string(what_) + " takes too long");
  }

 private:
  double now_s() const {
    timespec time{};
    clock_gettime(static_cast<clockid_t>(clock_), &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  }

  Clock clock_ = Clock::kWall;
  const char* what_ = "";
  double end_s_ = 0.0;
  u32 calls_ = 0;
};

}  // namespace fathom::grammar
