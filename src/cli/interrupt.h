#pragma once
#include <atomic>

namespace fathom::cli {

/// Ctrl-C sets a flag while this lives, so that the work ends cleanly at its next step; a second
/// Ctrl-C ends the process at once. The previous handler comes back on destruction.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  const std::atomic<bool>* flag() const;
  bool interrupted() const { return flag()->load(); }
};

}  // namespace fathom::cli
