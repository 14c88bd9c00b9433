// Two hops against one: the same ranks as one node, and as several.
#include <gtest/gtest.h>

#include <cmath>
#include <mutex>

#include "backend/backend.h"
#include "base/parallel.h"
#include "comm/test_chaos.h"
#include "model/exchange/test_exchange.h"

namespace fathom::model {
namespace {

using namespace exchange_test;

constexpr i64 kTokens = 23, kRoundTokens = 4;

/// Of every rank; `per_node` 1: nodes of one rank, which rows reach in one hop.
std::vector<Trip> trips(int ranks, int per_node, ExpertWire wire, comm::ThreadsOptions options) {
  std::vector<Trip> all(static_cast<size_t>(ranks));
  options.job.ranks_per_node = per_node;
  comm::run_ranks(ranks, options, [&](comm::Comm& world) {
    const OwnThreads threads(1);
    Ctx ctx = backend::make_context();
    ExpertExchange exchange(world, kExperts, wire, kTokens, kRoundTokens);
    EXPECT_EQ(exchange.two_hops(), per_node > 1 && per_node < ranks);
    const i64 tokens = (world.rank() * 11 + 7) % (kTokens + 1);
    const Side side(exchange, tokens, static_cast<u64>(world.rank()));
    int calls = 0;
    all[static_cast<size_t>(world.rank())] =
        round_trip(ctx, world, exchange, side, [&](View<const float, 1> x, View<float, 1> y) {
          ++calls;
          for (i64 i = 0; i < kWidth; ++i) y(i) = std::sin(3.7f * x(i) + static_cast<float>(calls));
        });
  });
  return all;
}

// In the f32 wire a row is handed on as it is, and so are answers: one hop's bits, order and all.
TEST(TwoHopsTest, GiveOneHopsBits) {
  for (const auto& [ranks, per_node] : {std::pair{4, 2}, {6, 3}, {6, 2}}) {
    const comm::ThreadsOptions quiet = comm::testing::quiet_and_chaotic(0)[0];
    const std::vector<Trip> one = trips(ranks, 1, ExpertWire::kF32, quiet);
    for (const comm::ThreadsOptions& options : comm::testing::quiet_and_chaotic(2)) {
      const std::vector<Trip> two = trips(ranks, per_node, ExpertWire::kF32, options);
      for (size_t rank = 0; rank < one.size(); ++rank) {
        EXPECT_FALSE(one[rank].rows.empty());
        EXPECT_EQ(two[rank].rows, one[rank].rows);
        EXPECT_EQ(two[rank].kept, one[rank].kept);
        EXPECT_EQ(two[rank].weights, one[rank].weights);
        EXPECT_EQ(two[rank].y, one[rank].y);
        EXPECT_EQ(two[rank].pair_values, one[rank].pair_values);
      }
    }
  }
}

// Narrow rows arrive as by one hop; what a node made of a row is rounded once more on its way back.
TEST(TwoHopsTest, NarrowSumsAreRoundedOnceANode) {
  for (const ExpertWire wire : {ExpertWire::kBf16, ExpertWire::kFp8}) {
    const comm::ThreadsOptions quiet = comm::testing::quiet_and_chaotic(0)[0];
    const std::vector<Trip> one = trips(6, 1, wire, quiet), two = trips(6, 3, wire, quiet);
    double worst = 0.0;
    for (size_t rank = 0; rank < one.size(); ++rank) {
      EXPECT_EQ(two[rank].rows, one[rank].rows);
      EXPECT_EQ(two[rank].pair_values, one[rank].pair_values);
      for (size_t i = 0; i < one[rank].y.size(); ++i) {  // experts give at most |1|
        worst = std::max(worst, std::abs(static_cast<double>(two[rank].y[i]) -
                                         static_cast<double>(one[rank].y[i])));
      }
    }
    EXPECT_LE(worst / kTopk, 1.0 / 256);
    EXPECT_GT(worst, 0.0);
  }
}

// What leaves a node: a row for each other node with one of the token's experts, by one hop for
// each rank there; back the same number of rows of sums.
TEST(TwoHopsTest, ARowCrossesToANodeOnce) {
  constexpr int kRanks = 6, kPerNode = 3;
  const comm::ThreadsOptions quiet = comm::testing::quiet_and_chaotic(0)[0];
  for (const ExpertWire wire : {ExpertWire::kBf16, ExpertWire::kFp8}) {
    const RowForm form{received_format(wire), kWidth, kTopk};
    comm::Comm alone = comm::Comm::self();
    i64 rows_to_nodes = 0, rows_to_ranks = 0;
    for (int rank = 0; rank < kRanks; ++rank) {
      const ExpertExchange whole(alone, kExperts, wire, kTokens, kRoundTokens);
      const Side side(whole, (rank * 11 + 7) % (kTokens + 1), static_cast<u64>(rank));
      for (i64 t = 0; t < side.tokens; ++t) {
        std::array<bool, kRanks> ranks{};
        std::array<bool, kRanks / kPerNode> nodes{};
        for (i64 j = 0; j < kTopk; ++j) {
          const i32 expert = side.kept()(t, j);
          if (expert < 0) continue;
          const i64 to = expert * kRanks / kExperts;
          if (to / kPerNode == rank / kPerNode) continue;
          ranks[static_cast<size_t>(to)] = nodes[static_cast<size_t>(to / kPerNode)] = true;
        }
        rows_to_ranks += std::count(ranks.begin(), ranks.end(), true);
        rows_to_nodes += std::count(nodes.begin(), nodes.end(), true);
      }
    }
    ASSERT_LT(rows_to_nodes, rows_to_ranks);
    Trip sum;
    for (const Trip& trip : trips(kRanks, kPerNode, wire, quiet)) {
      sum.dispatch_bytes += trip.dispatch_bytes;
      sum.combine_bytes += trip.combine_bytes;
    }
    EXPECT_EQ(sum.dispatch_bytes, rows_to_nodes * form.bytes());
    EXPECT_EQ(sum.combine_bytes, rows_to_nodes * 2 * kWidth);
  }
}

}  // namespace
}  // namespace fathom::model
