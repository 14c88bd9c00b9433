#pragma once
// How a thread keeps within the share of its CPU that other programs leave it.
#include "base/types.h"

namespace fathom {

/// Of the calling thread, in nanoseconds.
struct ThreadClocks {
  i64 (*now)();     // of the day
  i64 (*ran)();     // on a CPU
  i64 (*waited)();  // for a CPU, while it could have run
  void (*rest)(i64 duration);
};
/// The system's. Where it does not say how long threads waited, they did not.
ThreadClocks system_clocks();

/// A thread that wants more of a CPU than its fair share is stopped wherever it is, for some
/// milliseconds, and a team waits for the part of a job that it had begun. One that rests between
/// parts, before its share is used up, runs again as soon as it wakes. The share is not known: it
/// is cut while the system lets the thread wait, and grows while it does not. Alone on its CPU a
/// thread never rests.
class CpuShare {
 public:
  explicit CpuShare(const ThreadClocks& clocks) : clocks_(clocks) {}

  /// Between two parts, on the thread itself. Rests where that is due.
  void rest_if_due();
  /// Of a CPU, up to 1: then nobody else wants it.
  double share() const { return share_; }

 private:
  void end_window(i64 now);
  void account(i64 now);

  ThreadClocks clocks_;
  double share_ = 1.0;
  double credit_ns_ = 0.0;              // that may be used before a rest
  i64 accounted_at_ = 0, ran_ = 0;      // up to then
  i64 window_begin_ = -1, waited_ = 0;  // up to then
};

}  // namespace fathom
