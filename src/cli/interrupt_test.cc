#include "cli/interrupt.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

namespace fathom::cli {
namespace {

/// How a child ends that gets these signals, each so many seconds after the one before, the first
/// while a guard lives and the others when it is gone: 128 and the signal, or 0.
int status_of(int first, int second, double seconds) {
  const pid_t child = ::fork();
  if (child == 0) {
    {
      const InterruptGuard guard;
      ::raise(first);
      if (guard.signal() != first) ::_exit(1);
    }
    const timespec pause = {.tv_sec = 0, .tv_nsec = static_cast<long>(seconds * 1e9)};
    ::nanosleep(&pause, nullptr);
    ::raise(second);
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

// `timeout` and shells send a signal several times; the program may have saved all and be leaving.
TEST(InterruptGuard, TheSameRequestAgainOnTheWayOutIsNothingNew) {
  for (const int signal : {SIGHUP, SIGINT, SIGTERM, SIGXCPU}) {
    EXPECT_EQ(status_of(signal, signal, 0.0), 0) << signal;
  }
}

TEST(InterruptGuard, ALaterSignalAndAnotherOneEndTheProgram) {
  EXPECT_EQ(status_of(SIGTERM, SIGTERM, 0.6), 128 + SIGTERM);
  EXPECT_EQ(status_of(SIGHUP, SIGTERM, 0.0), 128 + SIGTERM);
}

}  // namespace
}  // namespace fathom::cli
