#pragma once
#include <signal.h>

#include <array>
#include <atomic>
#include <exception>

namespace fathom::cli {

/// Thrown by work that a signal stopped where nothing is left to keep; main exits with 130.
class Interrupted : public std::exception {
 public:
  const char* what() const noexcept override { return "interrupted"; }
};

/// The signals that ask a program to end: a user's (INT, QUIT, TERM), a lost terminal's (HUP), a
/// batch system's or a limit's warning (USR1, USR2, ALRM, XCPU), a power supply's (PWR).
inline constexpr std::array kEndingSignals = {SIGHUP,  SIGINT,  SIGQUIT, SIGTERM, SIGUSR1,
                                              SIGUSR2, SIGALRM, SIGXCPU, SIGPWR};

/// Each of them sets a flag while this lives, so that the work ends cleanly at its next step. INT,
/// QUIT or TERM again, half a second later or more, ends the process at once: sooner it is the same
/// request, which `timeout` and others send to the process and to its group. The other signals come
/// again of themselves (XCPU every second, HUP from the kernel and from the shell). A signal that
/// was ignored (nohup) stays ignored. The previous handlers come back on destruction; the signal
/// that was obeyed does nothing until that half second is over, or the last of several would still
/// end a program that has saved everything and is about to exit.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  const std::atomic<bool>* flag() const;
  bool interrupted() const { return flag()->load(); }
  /// The one that set the flag; 0: none has.
  int signal() const;
  /// Throws Interrupted if the flag is set: for progress callbacks.
  void check() const {
    if (interrupted()) throw Interrupted();
  }

 private:
  std::array<struct sigaction, kEndingSignals.size()> previous_ = {};
};

}  // namespace fathom::cli
