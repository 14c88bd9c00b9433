#pragma once
#include <signal.h>

#include <atomic>
#include <exception>

namespace fathom::cli {

/// Thrown by work that Ctrl-C stopped where nothing is left to keep; main exits with 130.
class Interrupted : public std::exception {
 public:
  const char* what() const noexcept override { return "interrupted"; }
};

/// Ctrl-C or SIGTERM sets a flag while this lives, so that the work ends cleanly at its next step;
/// a second one ends the process at once. A signal that was ignored (nohup) stays ignored. The
/// previous handlers come back on destruction.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  const std::atomic<bool>* flag() const;
  bool interrupted() const { return flag()->load(); }
  /// Throws Interrupted if the flag is set: for progress callbacks.
  void check() const {
    if (interrupted()) throw Interrupted();
  }

 private:
  struct sigaction previous_interrupt_ = {};
  struct sigaction previous_terminate_ = {};
};

}  // namespace fathom::cli
