#include "cli/interrupt.h"

#include <time.h>

#include <cerrno>

#include "base/types.h"

namespace fathom::cli {
namespace {

// A signal handler can reach nothing but globals.
std::atomic<bool> g_interrupted{false};
std::atomic<int> g_signal{0};          // that set the flag
std::atomic<i64> g_interrupted_ns{0};  // when
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<i64>::is_always_lock_free);

constexpr i64 kSameRequestNs = 500'000'000;

i64 monotonic_ns() {
  timespec now = {};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return i64{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

extern "C" void on_ending_signal(int signal) {
  const int saved_errno = errno;
  const i64 now_ns = monotonic_ns();
  const bool may_insist = signal == SIGINT || signal == SIGQUIT || signal == SIGTERM;
  if (!g_interrupted.load()) {
    g_interrupted_ns.store(now_ns);
    g_signal.store(signal);
    g_interrupted.store(true);
  } else if (may_insist && now_ns - g_interrupted_ns.load() >= kSameRequestNs) {
    ::signal(signal, SIG_DFL);
    ::raise(signal);  // delivered when this handler returns
  }
  errno = saved_errno;
}

/// What is left of a guard that a signal ended: the same request once more, on the way out.
extern "C" void on_repeated_signal(int signal) {
  const int saved_errno = errno;
  if (monotonic_ns() - g_interrupted_ns.load() >= kSameRequestNs) {
    ::signal(signal, SIG_DFL);
    ::raise(signal);
  }
  errno = saved_errno;
}

void catch_signal(int signal, struct sigaction& previous) {
  sigaction(signal, nullptr, &previous);
  if (previous.sa_handler == SIG_IGN) return;
  struct sigaction action = {};
  action.sa_handler = on_ending_signal;
  sigaction(signal, &action, nullptr);
}

}  // namespace

InterruptGuard::InterruptGuard() {
  g_interrupted.store(false);
  for (size_t i = 0; i < kEndingSignals.size(); ++i) catch_signal(kEndingSignals[i], previous_[i]);
}

InterruptGuard::~InterruptGuard() {
  for (size_t i = 0; i < kEndingSignals.size(); ++i) {
    if (kEndingSignals[i] == signal() && previous_[i].sa_handler == SIG_DFL) {
      previous_[i].sa_handler = on_repeated_signal;
    }
    sigaction(kEndingSignals[i], &previous_[i], nullptr);
  }
}

const std::atomic<bool>* InterruptGuard::flag() const { return &g_interrupted; }
int InterruptGuard::signal() const { return interrupted() ? g_signal.load() : 0; }

}  // namespace fathom::cli
