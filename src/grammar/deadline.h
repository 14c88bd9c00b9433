#pragma once
#include <ctime>

#include "base/types.h"
#include "grammar/budget.h"

namespace fathom::grammar {

/// How long one piece of work may take: time of this thread's processor, so that what other
/// programs take away does not count. Looks at the clock now and then.
class Deadline {
 public:
  /// From now on; `what` takes too long, if so. <= 0: no limit.
  void set(double seconds, const char* what) {
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
  static double now_s() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  }

  const char* what_ = "";
  double end_s_ = 0.0;
  u32 calls_ = 0;
};

}  // namespace fathom::grammar
