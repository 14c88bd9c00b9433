// What happens when ranks are late, fail, or do not call the same thing. Over MPI:
// tests/comm/mpi_test.py.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "comm/test_chaos.h"

namespace fathom::comm {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

template <typename Error, typename Fn>
std::string message_of(Fn&& fn) {
  try {
    fn();
  } catch (const Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return "";
}

class FailureTest : public ::testing::Test {
 protected:
  FailureTest() {
    folder_ = std::filesystem::path(::testing::TempDir()) /
              ::testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::create_directories(folder_);
    options_.job = {.deadline_s = 0.3, .hang_directory = folder_.string()};
  }
  ~FailureTest() override { std::filesystem::remove_all(folder_); }
  std::string report(int rank) const {
    std::ifstream file(folder_ / ("hang-" + std::to_string(rank) + ".json"));
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }

  std::filesystem::path folder_;
  ThreadsOptions options_;
};

TEST_F(FailureTest, ALateRankIsNamedAndEveryWaitingRankReports) {
  const std::string message = message_of<LostRanks>([&] {
    run_ranks(3, options_, [](Comm& world) {
      Comm group = world.split(world.rank() == 0 ? 1 : 0, 0, "ep");
      for (int i = 0; i < 100; ++i) world.barrier();
      world.set_place({.step = 12, .layer = 3});
      if (world.rank() == 2) std::this_thread::sleep_for(std::chrono::seconds(1));
      (world.rank() == 0 ? world : group).barrier();
    });
  });
  EXPECT_THAT(message,
              ContainsRegex("rank [01]: barrier #[0-9]+ of world.* waited 0.3 s for rank"));
  EXPECT_THAT(report(1),
              AllOf(HasSubstr(R"("group": "world/ep", "op": "barrier")"),
                    HasSubstr(R"("missing_ranks": [2])"), HasSubstr(R"("step": 12, "layer": 3)")));
  // 64 of them: of the split and 101 barriers the last ones.
  EXPECT_THAT(report(1), AllOf(HasSubstr(R"("number": 101)"), HasSubstr(R"("number": 38)"),
                               Not(HasSubstr(R"("number": 37)"))));
  EXPECT_THAT(report(0), HasSubstr(R"("missing_ranks": [1, 2])"));
}

// Rank 0 would wait for long, but rank 1's deadline ends the job; it reports what it was waiting
// for.
TEST_F(FailureTest, WhoWaitsWhenAnotherEndsTheJobReportsToo) {
  EXPECT_THROW(run_ranks(3, options_,
                         [](Comm& comm) {
                           comm.barrier();
                           comm.set_deadline(comm.rank() == 1 ? 0.3 : 60);
                           if (comm.rank() == 2)
                             std::this_thread::sleep_for(std::chrono::seconds(1));
                           comm.barrier();
                         }),
               LostRanks);
  EXPECT_THAT(report(0), HasSubstr(R"("missing_ranks": [2])"));
  EXPECT_THAT(report(1), HasSubstr(R"("missing_ranks": [2])"));
}

TEST_F(FailureTest, TheDeadlineCountsFromTheWaitOn) {
  run_ranks(2, options_, [](Comm& comm) {
    Pending barrier = comm.start_barrier();
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    barrier.wait();
    comm.set_deadline(60);
    if (comm.rank() == 1) std::this_thread::sleep_for(std::chrono::milliseconds(500));
    comm.barrier();
  });
}

TEST_F(FailureTest, TheFirstErrorEndsTheJobAndIsThrown) {
  options_.job.deadline_s = 60;
  std::string seen_by_others;
  const std::string message = message_of<std::domain_error>([&] {
    run_ranks(3, options_, [&](Comm& comm) {
      if (comm.rank() == 1) throw std::domain_error("no disk");
      try {
        comm.barrier();
      } catch (const LostRanks& lost) {
        if (comm.rank() == 0) seen_by_others = lost.what();
        throw;
      }
    });
  });
  EXPECT_EQ(message, "no disk");
  EXPECT_EQ(seen_by_others, "rank 1 ended the job: no disk");
}

TEST_F(FailureTest, DebugModeNamesTheFirstMismatchWithBothCalls) {
  options_.job.debug = true;
  options_.job.deadline_s = 60;
  const std::string message = message_of<Mismatch>([&] {
    run_ranks(3, options_, [](Comm& comm) {
      i64 value = 0;
      comm.barrier();
      if (comm.rank() == 1) comm.all_reduce_i64(std::span(&value, 1), Reduce::kSum);
      comm.broadcast(std::as_writable_bytes(std::span(&value, 1)), 0);
    });
  });
  EXPECT_THAT(message, HasSubstr("rank 1 calls all_reduce_sum #1 ("));
  EXPECT_THAT(message, ContainsRegex("calls broadcast #1 \\([^)]*failure_test.cc:[0-9]+\\)"));
}

TEST_F(FailureTest, DebugModeComparesSizesOfEveryPair) {
  options_.job.debug = true;
  const std::string message = message_of<Mismatch>([&] {
    run_ranks(3, options_, [](Comm& comm) {
      std::vector<std::byte> out(30), in(30);
      std::vector<Bytes> send(3, Bytes(out).first(4));
      std::vector<MutableBytes> recv;
      for (size_t r = 0; r < 3; ++r) recv.push_back(MutableBytes(in).subspan(10 * r, 4));
      // Rank 2 wants more of rank 0 than it gets.
      if (comm.rank() == 2) recv[0] = MutableBytes(in).first(6);
      comm.all_to_all_v(send, recv);
    });
  });
  EXPECT_THAT(message, HasSubstr("expecting 6"));
}

TEST_F(FailureTest, AMessageOfAnotherSizeIsAMismatchWithoutDebugModeToo) {
  for (const ThreadsOptions& options : testing::quiet_and_chaotic()) {
    const std::string message = message_of<Mismatch>([&] {
      run_ranks(2, options, [](Comm& comm) {
        std::vector<std::byte> data(static_cast<size_t>(10 + comm.rank()));
        if (comm.rank() == 0) return comm.send(1, 7, data);
        comm.recv(0, 7, data);
      });
    });
    EXPECT_THAT(message,
                ContainsRegex("recv #7 of world .*: rank 0 sent 10 bytes where rank 1 expects 11"));
  }
}

// The memory of an operation that an exception passes may be gone: nothing is written there any
// more.
TEST_F(FailureTest, AnOperationThatIsNotWaitedForIsWithdrawn) {
  for (const ThreadsOptions& options : testing::quiet_and_chaotic(8)) {
    run_ranks(2, options, [](Comm& comm) {
      std::vector<std::byte> first(100), second(100, std::byte{2});
      if (comm.rank() == 1) {
        { const Pending gone = comm.start_recv(0, 1, first); }
        std::fill(first.begin(), first.end(), std::byte{9});
        comm.barrier();
        comm.recv(0, 1, second);
        EXPECT_EQ(second[99], std::byte{7});
        EXPECT_EQ(first[0], std::byte{9});
        return;
      }
      comm.barrier();
      second.assign(100, std::byte{7});
      comm.send(1, 1, second);
    });
  }
}

TEST_F(FailureTest, ASendThatIsNotWaitedForIsWithdrawnOrWasCopied) {
  for (const ThreadsOptions& options : testing::quiet_and_chaotic(8)) {
    run_ranks(2, options, [](Comm& comm) {
      if (comm.rank() == 0) {
        {
          const std::vector<std::byte> gone(100, std::byte{1});
          const Pending pending = comm.start_send(1, 1, gone);
        }
        const std::vector<std::byte> data(100, std::byte{7});
        comm.send(1, 1, data);
        return;
      }
      std::vector<std::byte> got(100);
      do {
        comm.recv(0, 1, got);
        ASSERT_EQ(std::count(got.begin(), got.end(), got[0]), 100);
        ASSERT_TRUE(got[0] == std::byte{1} || got[0] == std::byte{7});
      } while (got[0] == std::byte{1});
    });
  }
}

TEST_F(FailureTest, TrafficCountsBytesOfOtherRanksAndTheTimeInWaits) {
  options_.job.deadline_s = 60;
  run_ranks(2, options_, [](Comm& comm) {
    std::vector<std::byte> mine(100), all(200);
    if (comm.rank() == 1) std::this_thread::sleep_for(std::chrono::milliseconds(100));
    comm.all_gather(mine, all);
    const Traffic traffic = comm.traffic();
    EXPECT_EQ(traffic.operations, 1);
    EXPECT_EQ(traffic.sent_bytes, 100);
    EXPECT_EQ(traffic.received_bytes, 100);
    if (comm.rank() == 0) {
      EXPECT_GT(traffic.wait_s, 0.05);
    }
    EXPECT_GE(traffic.exchange_s, traffic.wait_s);
  });
}

}  // namespace
}  // namespace fathom::comm
