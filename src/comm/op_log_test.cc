#include "comm/op_log.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "comm/test_chaos.h"

namespace fathom::comm {
namespace {

TEST(OpLogTest, TheLastSixtyFourAreFound) {
  OpLog log;
  for (i64 number = 0; number < 3 * OpLog::kRecords; ++number) {
    EXPECT_EQ(log.find(number), nullptr);
    EXPECT_EQ(log.add({.sequence = number}), number);
    const i64 oldest = std::max<i64>(0, number - OpLog::kRecords + 1);
    if (oldest > 0) {
      EXPECT_EQ(log.find(oldest - 1), nullptr);
    }
    ASSERT_NE(log.find(oldest), nullptr);
    EXPECT_EQ(log.find(oldest)->sequence, oldest);
    EXPECT_EQ(log.find(number)->sequence, number);
  }
}

// Whose deadline passes ends the job for all, also if its own caller takes the error for no end.
TEST(DeadlineTest, EndsTheJobOfThoseWhoWouldWaitLonger) {
  ThreadsOptions options;
  options.job = {.deadline_s = 60, .hang_directory = ""};
  const Clock::time_point begin = Clock::now();
  EXPECT_THROW(run_ranks(2, options,
                         [](Comm& comm) {
                           std::byte none{};
                           if (comm.rank() == 1) return comm.recv(0, 1, {&none, 1});
                           comm.set_deadline(0.05);
                           EXPECT_THROW(comm.recv(1, 2, {&none, 1}), LostRanks);
                         }),
               LostRanks);
  EXPECT_LT(seconds_since(begin), 30.0);
}

}  // namespace
}  // namespace fathom::comm
