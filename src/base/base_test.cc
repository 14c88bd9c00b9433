#include <gtest/gtest.h>
#include <sched.h>

#include <array>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <stdexcept>
#include <thread>
#include <vector>

#include "base/check.h"
#include "base/checked_math.h"
#include "base/dtype.h"
#include "base/error.h"
#include "base/parallel.h"
#include "base/rng.h"
#include "base/text.h"

namespace fathom {
namespace {

TEST(Check, ShowsTheValues) {
  try {
    FATHOM_CHECK(1 == 2, "x ", 3, " vs ", std::string("y"));
    FAIL();
  } catch (const InternalError& error) {
    EXPECT_NE(std::string(error.what()).find("x 3 vs y [check failed: 1 == 2 at base_test.cc:"),
              std::string::npos)
        << error.what();
  }
}

TEST(CheckedMath, FindsOverflow) {
  EXPECT_EQ(checked_mul(1 << 20, 1 << 20), i64{1} << 40);
  EXPECT_FALSE(checked_mul(i64{1} << 40, i64{1} << 40));
  EXPECT_FALSE(checked_add(INT64_MAX, 1));
  const std::array<i64, 3> overflow = {i64{1} << 30, i64{1} << 30, 16};
  EXPECT_FALSE(checked_product(overflow));
  const std::array<i64, 2> negative = {4, -1};
  EXPECT_FALSE(checked_product(negative));
}

TEST(CheckedMath, RoundsUp) {
  for (const auto& [a, parts, rounded] :
       {std::array<i64, 3>{0, 0, 0}, {1, 1, 4}, {4, 1, 4}, {5, 2, 8}, {8, 2, 8}}) {
    EXPECT_EQ(ceil_div(a, 4), parts) << a;
    EXPECT_EQ(round_up(a, 4), rounded) << a;
  }
}

TEST(DTypeTest, NamesRoundTrip) {
  EXPECT_EQ(dtype_from_name("F8_E4M3"), DType::kF8E4M3);
  EXPECT_EQ(dtype_name(DType::kBF16), "BF16");
  EXPECT_FALSE(dtype_from_name("bf16"));
}

TEST(Parallel, CoversTheRangeOnceForAnyThreadCount) {
  for (const int threads : {1, 2, 3, 7}) {
    set_num_threads(threads);
    for (const i64 count : {0, 1, 5, 64, 1001}) {
      std::vector<std::atomic<int>> seen(static_cast<size_t>(count));
      parallel_for(count, 8, [&](i64 begin, i64 end) {
        EXPECT_EQ(begin % 8, 0);
        for (i64 i = begin; i < end; ++i) ++seen[static_cast<size_t>(i)];
      });
      for (const auto& times : seen) EXPECT_EQ(times.load(), 1);
    }
  }
  set_num_threads(2);
}

TEST(Parallel, UnitsRunOnceEachOnAThreadOfTheirOwn) {
  for (const int threads : {1, 2, 3, 7}) {
    set_num_threads(threads);
    for (const i64 count : {0, 1, 5, 64}) {
      std::vector<std::atomic<int>> seen(static_cast<size_t>(count));
      std::vector<std::atomic<int>> busy(static_cast<size_t>(threads));
      parallel_for_each(count, [&](i64 thread, i64 unit) {
        EXPECT_LT(thread, std::min<i64>(threads, count));
        EXPECT_EQ(busy[static_cast<size_t>(thread)]++, 0);  // nobody else has this thread's number
        EXPECT_EQ(available_threads(), std::min<i64>(threads, count) > 1 ? 1 : threads);
        ++seen[static_cast<size_t>(unit)];
        --busy[static_cast<size_t>(thread)];
      });
      for (const auto& times : seen) EXPECT_EQ(times.load(), 1);
    }
  }
  set_num_threads(2);
  EXPECT_THROW(parallel_for_each(8, [](i64, i64) { throw std::runtime_error("unit failed"); }),
               std::runtime_error);
}

// Threads are made once, whatever the ranges: a token has thousands, some of few parts.
TEST(Parallel, RangesOfFewPartsEndNoThread) {
  static std::atomic<int> born{0};
  struct Birth {
    Birth() { ++born; }
  };
  const auto visit = [](i64 parts) {
    std::atomic<i64> visited{0};
    parallel_for(parts, 1, [&](i64 begin, i64 end) {
      thread_local const Birth birth;
      visited += end - begin;
    });
    EXPECT_EQ(visited.load(), parts);
  };
  set_num_threads(7);
  for (const i64 parts : {7, 3, 7, 2, 7, 6, 7}) visit(parts);
  EXPECT_LE(born.load(), 7);
  set_num_threads(2);
}

// While another thread's range has the team, a range runs on its own thread.
TEST(Parallel, ABusyTeamIsNotWaitedFor) {
  set_num_threads(2);
  std::atomic<bool> held{false}, release{false};
  std::thread other([&] {
    parallel_for(2, 1, [&](i64, i64) {
      held = true;
      while (!release) std::this_thread::yield();
    });
  });
  while (!held) std::this_thread::yield();
  std::atomic<i64> covered{0};
  parallel_for(2, 1, [&](i64 begin, i64 end) { covered += end - begin; });
  EXPECT_EQ(covered.load(), 2);
  release = true;
  other.join();
}

TEST(Parallel, ManyThreadsCallAtOnce) {
  set_num_threads(3);
  std::vector<std::thread> callers;
  std::atomic<i64> sum{0};
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&] {
      for (int i = 0; i < 2000; ++i) {
        std::atomic<i64> mine{0};
        parallel_for(5, 1, [&](i64 begin, i64 end) { mine += end - begin; });
        EXPECT_EQ(mine.load(), 5);
        sum += mine;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(sum.load(), 4 * 2000 * 5);
  set_num_threads(2);
}

/// CPUs that the calling thread may use.
std::vector<int> allowed_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  EXPECT_EQ(sched_getaffinity(0, sizeof set, &set), 0);
  std::vector<int> cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  }
  return cpus;
}

// In a process of its own: pinning lasts.
TEST(OwnThreadsTest, ThreadsWithTeamsOfTheirOwnDoNotTakeThemFromEachOther) {
  const int outside = num_threads();
  std::atomic<int> inside{0};
  std::vector<std::thread> ranks;
  for (int rank = 0; rank < 3; ++rank) {
    ranks.emplace_back([&, rank] {
      const OwnThreads own(rank + 1);
      EXPECT_EQ(num_threads(), rank + 1);
      EXPECT_EQ(available_threads(), rank + 1);
      ++inside;
      while (inside < 3) std::this_thread::yield();  // all three teams are there at once
      for (int i = 0; i < 100; ++i) {
        std::atomic<i64> covered{0};
        std::atomic<int> parts{0};
        parallel_for(30, 1, [&](i64 begin, i64 end) {
          covered += end - begin;
          ++parts;
        });
        EXPECT_EQ(covered, 30);
        EXPECT_EQ(parts, rank + 1);
      }
      {
        const OwnThreads inner(5);
        EXPECT_EQ(num_threads(), 5);
      }
      EXPECT_EQ(num_threads(), rank + 1);
    });
  }
  for (std::thread& rank : ranks) rank.join();
  EXPECT_EQ(num_threads(), outside);
}

TEST(ParallelDeathTest, PinnedThreadsStayOnACpuEachAndTheCallerIsFree) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  const std::vector<int> all = allowed_cpus();
  const int threads = static_cast<int>(all.size());
  const auto pin_and_exit = [&] {
    set_num_threads(threads);
    pin_threads();
    std::vector<std::vector<int>> seen(all.size());
    std::atomic<int> begun{0};
    parallel_for(threads, 1, [&](i64 begin, i64 end) {
      // None ends before all have begun, or one thread could run several.
      for (++begun; begun < threads;) std::this_thread::yield();
      for (i64 i = begin; i < end; ++i) seen[static_cast<size_t>(i)] = allowed_cpus();
    });
    bool right = allowed_cpus() == all;
    for (size_t i = 1; i < all.size(); ++i) right = right && seen[i] == std::vector<int>{all[i]};
    std::_Exit(right ? 0 : 1);
  };
  EXPECT_EXIT(pin_and_exit(), testing::ExitedWithCode(0), "");
  set_num_threads(threads + 1);
  try {
    pin_threads();
    ADD_FAILURE() << "more threads than CPUs";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidInput);
    EXPECT_NE(error.message().find("threads cannot be pinned"), std::string::npos);
  }
  set_num_threads(2);
}

TEST(Parallel, AnExceptionReachesTheCaller) {
  auto thrower = [](i64 begin, i64) {
    if (begin > 0) throw std::runtime_error("part failed");
  };
  EXPECT_THROW(parallel_for(2, 1, thrower), std::runtime_error);
}

// Known-answer vectors of the Random123 distribution for philox4x32-10.
TEST(Philox, KnownAnswers) {
  const std::array<u32, 4> zeros = {0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u};
  EXPECT_EQ(Philox(0, 0).at(0), zeros);
  const std::array<u32, 4> ones = {0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu};
  EXPECT_EQ(Philox(~0ull, ~0ull).at(~0ull), ones);
}

TEST(Philox, UniformIsTheFirstTwoWords) {
  EXPECT_EQ(Philox(0, 0).uniform(0), static_cast<double>(0x6627e8d5e169c58dull >> 11) * 0x1p-53);
}

TEST(Philox, MomentsOfTheNormal) {
  const Philox rng(1, 2);
  double sum = 0, squares = 0;
  constexpr int kDraws = 200000;
  for (u64 i = 0; i < kDraws; ++i) {
    const double x = rng.normal(i);
    sum += x;
    squares += x * x;
  }
  EXPECT_NEAR(sum / kDraws, 0.0, 0.01);
  EXPECT_NEAR(squares / kDraws, 1.0, 0.01);
}

TEST(Text, ControlCharactersAreShownAndNotObeyed) {
  EXPECT_EQ(printable("a\x1b[2Jb\n\tc\x7f\u00e9"), "a\\x1b[2Jb\n\tc\\x7f\u00e9");
}

TEST(Text, FormatsAndFindsTheNearestName) {
  EXPECT_EQ(format_bytes(1023), "1023 B");
  EXPECT_EQ(format_bytes(1024), "1.00 KiB");
  EXPECT_EQ(format_bytes(70272), "68.6 KiB");
  EXPECT_EQ(format_count(671026404352), "671.026 B");
  const std::array<std::string_view, 2> names = {"hidden_size", "vocab_size"};
  EXPECT_EQ(nearest_name("hiden_size", names), "hidden_size");
  EXPECT_EQ(nearest_name("q", names), "");
}

}  // namespace
}  // namespace fathom
