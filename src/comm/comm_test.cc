#include "comm/comm.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "base/rng.h"
#include "comm/test_chaos.h"

namespace fathom::comm {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// What rank `from` tells rank `to` in round `round`: bytes that no other message has.
std::vector<u32> words(int from, int to, i64 round, size_t count) {
  const Philox random(static_cast<u64>(round), static_cast<u64>(from * 64 + to));
  std::vector<u32> all(count);
  for (size_t i = 0; i < count; ++i) all[i] = random.at(i)[0];
  return all;
}
/// Between none and 99, different in most pairs.
size_t count_of(int from, int to, i64 round) {
  return static_cast<size_t>((from * 31 + to * 17 + round * 7) % 100);
}

void exchange_once(Comm& comm, i64 round) {
  const int self = comm.rank();
  std::vector<std::vector<u32>> out, in;
  std::vector<Bytes> send;
  std::vector<MutableBytes> recv;
  for (int r = 0; r < comm.size(); ++r) {
    out.push_back(words(self, r, round, count_of(self, r, round)));
    in.emplace_back(count_of(r, self, round));
    send.push_back(std::as_bytes(std::span(out.back())));
    recv.push_back(std::as_writable_bytes(std::span(in.back())));
  }
  comm.all_to_all_v(send, recv);
  for (int r = 0; r < comm.size(); ++r) {
    ASSERT_EQ(in[static_cast<size_t>(r)], words(r, self, round, count_of(r, self, round)))
        << r << " to " << self << " in round " << round;
  }
}

TEST(CommTest, AllToAllDeliversEveryPairsBytes) {
  for (const ThreadsOptions& options : testing::quiet_and_chaotic()) {
    for (const int ranks : {1, 2, 3, 5, 8}) {
      run_ranks(ranks, options, [](Comm& comm) {
        for (i64 round = 0; round < 20; ++round) exchange_once(comm, round);
      });
    }
  }
}

TEST(CommTest, GathersBroadcastsAndSums) {
  for (const ThreadsOptions& options : testing::quiet_and_chaotic()) {
    run_ranks(4, options, [](Comm& comm) {
      const i64 self = comm.rank();
      std::vector<i64> all(4), part(static_cast<size_t>(self), self * 100);
      comm.all_gather(std::as_bytes(std::span(&self, 1)), std::as_writable_bytes(std::span(all)));
      ASSERT_THAT(all, ElementsAre(0, 1, 2, 3));

      std::vector<std::vector<i64>> parts;
      std::vector<MutableBytes> places;
      for (size_t r = 0; r < 4; ++r) parts.emplace_back(r, -1);
      for (auto& of : parts) places.push_back(std::as_writable_bytes(std::span(of)));
      comm.all_gather_v(std::as_bytes(std::span(part)), places);
      ASSERT_THAT(parts[3], ElementsAre(300, 300, 300));
      ASSERT_THAT(parts[1], ElementsAre(100));

      std::vector<i64> said = {self, 7 * self};
      comm.broadcast(std::as_writable_bytes(std::span(said)), 2);
      ASSERT_THAT(said, ElementsAre(2, 14));

      // Beyond what a double holds exactly.
      std::vector<i64> sums = {(i64{1} << 60) + self, -self};
      comm.all_reduce_i64(sums, Reduce::kSum);
      ASSERT_THAT(sums, ElementsAre((i64{1} << 62) + 6, -6));
      std::vector<i64> largest = {self, -self};
      comm.all_reduce_i64(largest, Reduce::kMax);
      ASSERT_THAT(largest, ElementsAre(3, 0));
      comm.barrier();
    });
  }
}

TEST(CommTest, AnOperationMayEndLongAfterLaterOnes) {
  for (const ThreadsOptions& options : testing::quiet_and_chaotic()) {
    run_ranks(3, options, [](Comm& comm) {
      std::vector<std::vector<i64>> all(5, std::vector<i64>(3));
      std::vector<i64> mine = {10, 11, 12, 13, 14};
      std::vector<Pending> pending;
      for (size_t i = 0; i < 5; ++i) {
        mine[i] += 100 * comm.rank();
        pending.push_back(comm.start_all_gather(std::as_bytes(std::span(&mine[i], 1)),
                                                std::as_writable_bytes(std::span(all[i]))));
      }
      for (size_t i = 5; i-- > 0;) pending[i].wait();
      for (i64 i = 0; i < 5; ++i) {
        ASSERT_THAT(all[static_cast<size_t>(i)], ElementsAre(10 + i, 110 + i, 210 + i));
      }
    });
  }
}

// Two receives of one tag, waited for in the other order.
TEST(CommTest, MessagesOfOneTagArriveInOrderAndOtherTagsOvertake) {
  for (const ThreadsOptions& options : testing::quiet_and_chaotic()) {
    run_ranks(2, options, [](Comm& comm) {
      std::vector<i64> values(3);
      const auto bytes = [&](size_t i) { return std::as_writable_bytes(std::span(&values[i], 1)); };
      if (comm.rank() == 0) {
        values = {1, 2, 3};
        Pending first = comm.start_send(1, 5, bytes(0)), second = comm.start_send(1, 5, bytes(1));
        comm.send(1, 6, bytes(2));
        second.wait();
        first.wait();
        return;
      }
      comm.recv(0, 6, bytes(2));
      Pending first = comm.start_recv(0, 5, bytes(0)), second = comm.start_recv(0, 5, bytes(1));
      second.wait();
      first.wait();
      ASSERT_THAT(values, ElementsAre(1, 2, 3));
    });
  }
}

TEST(CommTest, SplitOrdersByKeyAndItsGroupsDoNotMixUp) {
  for (const ThreadsOptions& options : testing::quiet_and_chaotic()) {
    run_ranks(6, options, [](Comm& world) {
      Comm odd = world.split(world.rank() % 2, -world.rank(), "odd");
      Comm half = world.split(world.rank() / 3, 0, "half");
      ASSERT_EQ(odd.size(), 3);
      ASSERT_EQ(odd.rank(), 2 - world.rank() / 2);
      ASSERT_EQ(odd.world_rank(0), 4 + world.rank() % 2);
      ASSERT_EQ(half.rank(), world.rank() % 3);
      ASSERT_EQ(half.name(), "world/half");
      for (i64 round = 0; round < 5; ++round) {
        exchange_once(odd, round);
        exchange_once(half, round + 50);
      }
      Comm alone = half.split(half.rank(), 0, "alone");
      ASSERT_EQ(alone.size(), 1);
      ASSERT_EQ(alone.world_rank(0), world.rank());
      exchange_once(alone, 3);
    });
  }
}

// Two groups of the same ranks, called in another order by each.
TEST(CommTest, GroupsOfTheSameRanksAreApart) {
  for (const ThreadsOptions& options : testing::quiet_and_chaotic()) {
    if (options.job.debug) continue;  // which compares calls of one group as they start
    run_ranks(2, options, [](Comm& world) {
      Comm first = world.split(0, 0, "first"), second = world.split(0, 0, "second");
      const i64 to_first = 1 + world.rank(), to_second = 11 + world.rank();
      std::vector<i64> of_first(2), of_second(2);
      const auto start = [](Comm& comm, const i64& mine, std::vector<i64>& all) {
        return comm.start_all_gather(std::as_bytes(std::span(&mine, 1)),
                                     std::as_writable_bytes(std::span(all)));
      };
      if (world.rank() == 0) {
        Pending a = start(first, to_first, of_first), b = start(second, to_second, of_second);
        a.wait();
        b.wait();
      } else {
        Pending b = start(second, to_second, of_second), a = start(first, to_first, of_first);
        a.wait();
        b.wait();
      }
      ASSERT_THAT(of_first, ElementsAre(1, 2));
      ASSERT_THAT(of_second, ElementsAre(11, 12));
    });
  }
}

TEST(CommTest, OneRankAloneIsTheSameInterface) {
  Comm comm = Comm::self();
  i64 value = 5, copy = 0;
  comm.all_gather(std::as_bytes(std::span(&value, 1)), std::as_writable_bytes(std::span(&copy, 1)));
  EXPECT_EQ(copy, 5);
  comm.all_reduce_i64(std::span(&value, 1), Reduce::kSum);
  EXPECT_EQ(value, 5);
  comm.barrier();
  EXPECT_EQ(comm.split(3, 0, "dp").size(), 1);
  EXPECT_EQ(comm.node_of(0), 0);
  EXPECT_THROW(comm.abort("no more"), LostRanks);
}

}  // namespace
}  // namespace fathom::comm
