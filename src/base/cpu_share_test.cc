#include "base/cpu_share.h"

#include <gtest/gtest.h>

#include <fstream>

namespace fathom {
namespace {

constexpr double kMs = 1e6;

/// One CPU as the thread sees it: it runs, and is stopped once it has used more than `fair` of the
/// last while. Time passes by use() and by rests alone.
struct FakeCpu {
  double now = 0, ran = 0, waited = 0;
  double fair = 1.0, lag = 0.0;  // ns that it may still use
  int stops = 0, rests = 0;

  void use(double ns) {
    ran += ns;
    pass(ns);
    lag -= ns;
    if (fair >= 1.0 || lag > 0) return;
    const double off = (4 * kMs - lag) / fair;  // until it has earned a slice again
    waited += off;
    pass(off);
    ++stops;
  }
  void pass(double ns) {
    now += ns;
    lag = std::min(4 * kMs, lag + fair * ns);
  }
};
FakeCpu g_cpu;

CpuShare make_share() {
  g_cpu = {};
  return CpuShare({.now = [] { return static_cast<i64>(g_cpu.now); },
                   .ran = [] { return static_cast<i64>(g_cpu.ran); },
                   .waited = [] { return static_cast<i64>(g_cpu.waited); },
                   .rest =
                       [](i64 ns) {
                         g_cpu.pass(static_cast<double>(ns));
                         ++g_cpu.rests;
                       }});
}

/// Parts of 0.2 ms for `ms`; the share of the time in which the thread ran.
double work(CpuShare& share, double ms) {
  const double begin = g_cpu.now, ran = g_cpu.ran;
  while (g_cpu.now < begin + ms * kMs) {
    g_cpu.use(0.2 * kMs);
    share.rest_if_due();
  }
  return (g_cpu.ran - ran) / (g_cpu.now - begin);
}

TEST(CpuShareTest, AloneAThreadNeverRests) {
  CpuShare share = make_share();
  EXPECT_EQ(work(share, 2000), 1.0);
  EXPECT_EQ(g_cpu.rests, 0);
}

TEST(CpuShareTest, BesideAnotherProgramItRestsBeforeItIsStopped) {
  CpuShare share = make_share();
  work(share, 100);
  g_cpu.fair = 1.0 / 3;
  work(share, 1000);  // finds its share
  g_cpu.stops = 0;
  const double used = work(share, 3000);
  EXPECT_GT(used, 0.2);
  EXPECT_LT(used, 0.36);
  // One that never rests is stopped every 8 ms or so: 250 times and more.
  EXPECT_LT(g_cpu.stops, 80);
  EXPECT_GT(g_cpu.rests, 100);
}

TEST(CpuShareTest, WhenTheOtherProgramEndsItTakesAllAgain) {
  CpuShare share = make_share();
  g_cpu.fair = 0.5;
  work(share, 1000);
  EXPECT_LT(share.share(), 0.7);
  g_cpu.fair = 1.0;
  work(share, 1000);
  EXPECT_EQ(share.share(), 1.0);
  g_cpu.rests = 0;
  EXPECT_EQ(work(share, 500), 1.0);
  EXPECT_EQ(g_cpu.rests, 0);
}

TEST(CpuShareTest, ASingleStopCostsLittle) {
  CpuShare share = make_share();
  work(share, 200);
  g_cpu.waited += 20 * kMs;
  g_cpu.pass(20 * kMs);
  EXPECT_GT(work(share, 400), 0.8);
  EXPECT_EQ(share.share(), 1.0);
}

TEST(CpuShareTest, ShortWaitsAreNoReasonToRest) {
  CpuShare share = make_share();
  for (int i = 0; i < 100; ++i) {
    g_cpu.waited += 2 * kMs;
    g_cpu.pass(2 * kMs);
    work(share, 20);
  }
  EXPECT_EQ(share.share(), 1.0);
  EXPECT_EQ(g_cpu.rests, 0);
}

TEST(CpuShareTest, RestsAreAsLongAsTheShareSays) {
  CpuShare share = make_share();
  work(share, 70);  // into the second window
  g_cpu.waited += 35 * kMs;
  g_cpu.pass(35 * kMs);
  work(share, 2);  // the window ends
  ASSERT_LT(share.share(), 0.9);
  const double before = share.share(), used = work(share, 40);
  EXPECT_EQ(share.share(), before);
  EXPECT_NEAR(used, before, 0.08);
}

/// The second number of schedstat, or -1.
i64 waited_in_schedstat() {
  std::ifstream file("/proc/thread-self/schedstat");
  i64 ran = 0, waited = -1;
  return file >> ran >> waited ? waited : -1;
}

TEST(CpuShareTest, TheSystemsClocksRun) {
  const ThreadClocks clocks = system_clocks();
  if (const i64 before = waited_in_schedstat(); before >= 0) {
    const i64 waits = clocks.waited();
    EXPECT_GE(waits, before);
    EXPECT_LE(waits, waited_in_schedstat());
  }
  const i64 now = clocks.now(), ran = clocks.ran(), waited = clocks.waited();
  clocks.rest(5'000'000);
  EXPECT_GE(clocks.now() - now, 5'000'000);
  EXPECT_LT(clocks.ran() - ran, 5'000'000);  // a rest is no run
  EXPECT_GE(clocks.waited(), waited);
}

}  // namespace
}  // namespace fathom
