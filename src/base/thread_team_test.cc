#include "base/thread_team.h"

#include <gtest/gtest.h>

#include <chrono>
#include <mutex>
#include <set>

namespace fathom {
namespace {

constexpr auto kAnywhere = [](int) { return false; };

struct Parts {
  explicit Parts(i64 count) : seen(static_cast<size_t>(count)) {}
  std::vector<std::atomic<int>> seen;

  static void visit(void* self, i64 part) {
    ++static_cast<Parts*>(self)->seen[static_cast<size_t>(part)];
  }
  bool all_once() const {
    for (const auto& times : seen) {
      if (times != 1) return false;
    }
    return true;
  }
};

TEST(ThreadTeamTest, EveryPartRunsOnceWhetherThreadsSpinOrSleep) {
  for (const i64 spin_ns : {0, 1000, 200'000}) {
    ThreadTeam team(spin_ns, kAnywhere);
    for (int round = 0; round < 3000; ++round) {
      const int threads = 1 + round % 5;
      Parts parts(round % 7 == 0 ? 64 : threads);
      ASSERT_TRUE(team.try_run(threads, std::ssize(parts.seen), Parts::visit, &parts));
      ASSERT_TRUE(parts.all_once()) << round;
    }
  }
}

// Workers that come late meet the next job, of another size, while it is being written.
TEST(ThreadTeamTest, EveryPartRunsOnceInManyShortJobs) {
  ThreadTeam team(50'000, kAnywhere);
  Parts few(3), many(61);
  for (int round = 1; round <= 60'000; ++round) {
    Parts& parts = round % 2 == 0 ? few : many;
    ASSERT_TRUE(team.try_run(3, std::ssize(parts.seen), Parts::visit, &parts));
  }
  for (const auto& times : few.seen) EXPECT_EQ(times, 30'000);
  for (const auto& times : many.seen) EXPECT_EQ(times, 30'000);
}

TEST(ThreadTeamTest, WorkersBeyondTheThreadsOfAJobTakeNoPart) {
  ThreadTeam team(100'000, kAnywhere);
  struct Seen {
    std::mutex mutex;
    std::set<std::thread::id> threads;
  } seen;
  const auto part = [](void* of, i64) {
    Seen& s = *static_cast<Seen*>(of);
    const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(20);
    while (std::chrono::steady_clock::now() < end) {
    }  // long enough for others to come
    const std::lock_guard lock(s.mutex);
    s.threads.insert(std::this_thread::get_id());
  };
  for (int round = 0; round < 20; ++round) ASSERT_TRUE(team.try_run(5, 40, part, &seen));
  seen.threads.clear();
  for (int round = 0; round < 100; ++round) ASSERT_TRUE(team.try_run(2, 40, part, &seen));
  EXPECT_LE(seen.threads.size(), 2u);
}

TEST(ThreadTeamTest, ThreadsBeginWithTheirOwnShare) {
  ThreadTeam team(0, kAnywhere);
  struct Order {
    std::atomic<int> begun{0};
    std::array<std::thread::id, 2> thread;
  } order;
  const auto meet = [](void* of, i64 part) {
    Order& o = *static_cast<Order*>(of);
    o.thread[static_cast<size_t>(part)] = std::this_thread::get_id();
    for (++o.begun; o.begun < 2;) std::this_thread::yield();  // each part on a thread of its own
  };
  for (int round = 0; round < 3; ++round) {
    order.begun = 0;
    ASSERT_TRUE(team.try_run(2, 2, meet, &order));
    EXPECT_EQ(order.thread[0], std::this_thread::get_id());
    EXPECT_NE(order.thread[1], std::this_thread::get_id());
    std::this_thread::sleep_for(std::chrono::milliseconds(2));  // the worker sleeps, and is woken
  }
}

// The last part keeps the caller waiting long after it stopped to look; it must be woken.
TEST(ThreadTeamTest, ASleepingCallerIsWoken) {
  ThreadTeam team(0, kAnywhere);
  struct Late {
    std::atomic<bool> worker_began{false};
    std::atomic<bool> worker_ended{false};
    std::thread::id caller = std::this_thread::get_id();
  } late;
  const auto part = [](void* of, i64) {
    Late& l = *static_cast<Late*>(of);
    if (std::this_thread::get_id() == l.caller) {
      while (!l.worker_began) std::this_thread::yield();
    } else {
      l.worker_began = true;
      std::this_thread::sleep_for(std::chrono::milliseconds(3));
      l.worker_ended = true;
    }
  };
  for (int round = 0; round < 20; ++round) {
    late.worker_began = late.worker_ended = false;
    ASSERT_TRUE(team.try_run(2, 2, part, &late));
    EXPECT_TRUE(late.worker_ended);
  }
}

TEST(ThreadTeamTest, NobodyWaitsForAThreadThatHasNotBegun) {
  ThreadTeam team(0, [](int) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));  // a CPU that others hold
    return false;
  });
  Parts parts(2);
  const auto start = std::chrono::steady_clock::now();
  ASSERT_TRUE(team.try_run(2, 2, Parts::visit, &parts));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(40));
  EXPECT_TRUE(parts.all_once());
}

TEST(ThreadTeamTest, ASecondCallerIsTurnedAwayUntilTheJobEnds) {
  ThreadTeam team(0, kAnywhere);
  struct Inner {
    ThreadTeam& team;
    std::atomic<int> refused{0};
  } inner{team};
  const auto part = [](void* of, i64) {
    Inner& i = *static_cast<Inner*>(of);
    Parts none(1);
    if (!i.team.try_run(2, 1, Parts::visit, &none)) ++i.refused;
  };
  ASSERT_TRUE(team.try_run(2, 2, part, &inner));
  EXPECT_EQ(inner.refused, 2);
  Parts parts(4);
  EXPECT_TRUE(team.try_run(2, 4, Parts::visit, &parts));
  EXPECT_TRUE(parts.all_once());
}

}  // namespace
}  // namespace fathom
