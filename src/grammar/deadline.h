#pragma once
#include "base/clock.h"
#include "base/types.h"
#include "grammar/budget.h"

namespace fathom::grammar {

/// Wall time that compiling may take; looks at the clock now and then.
class Deadline {
 public:
  /// From now on; <= 0: none.
  void set(double seconds) {
    seconds_ = seconds;
    start_ = Clock::now();
  }
  /// Throws BudgetError.
  void check() {
    constexpr u32 kCallsPerLook = 256;
    if (seconds_ <= 0 || ++calls_ % kCallsPerLook != 0) return;
    if (seconds_since(start_) > seconds_) throw BudgetError("compiling the grammar takes too long");
  }

 private:
  double seconds_ = 0.0;
  Clock::time_point start_;
  u32 calls_ = 0;
};

}  // namespace fathom::grammar
