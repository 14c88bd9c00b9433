// Ranks whose counts and routing do not agree are refused, with their number, before a row is
// written where no room is.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <functional>

#include "backend/backend.h"
#include "base/parallel.h"
#include "comm/threads/run_ranks.h"
#include "model/exchange/test_exchange.h"

namespace fathom::model {
namespace {

using namespace exchange_test;
using ::testing::HasSubstr;

constexpr i64 kRoundOfFour = 4;
using Choices = std::array<i32, kTopk>;
using Edit = std::function<void(const ExchangeCounts&)>;

/// What the job ends with.
std::string error_on(int ranks, int per_node,
                     FunctionRef<void(Ctx&, comm::Comm&, ExpertExchange&)> rank_main) {
  comm::ThreadsOptions options;
  options.job.ranks_per_node = per_node;
  options.job.hang_directory = "";
  try {
    comm::run_ranks(ranks, options, [&](comm::Comm& world) {
      const OwnThreads threads(1);
      Ctx ctx = backend::make_context();
      ExpertExchange exchange(world, kExperts, ExpertWire::kF32, kRoundOfFour, kRoundOfFour);
      rank_main(ctx, world, exchange);
    });
  } catch (const Error& error) {
    return error.message();
  }
  return "accepted";
}

ExchangeCounts counts_in(Workspace::Scope& scope, const ExpertExchange& exchange) {
  return {scope.alloc<i64>(exchange.ranks(), exchange.rounds(), exchange.places(), 2)};
}

/// Every rank announces no token; rank 1 sends `rows` and `pairs` to a place instead.
std::string announced(int ranks, int per_node, i64 place, i64 rows, i64 pairs) {
  return error_on(ranks, per_node, [&](Ctx& ctx, comm::Comm& world, ExpertExchange& exchange) {
    Workspace::Scope scope(ctx.workspace());
    const ExchangeCounts counts = counts_in(scope, exchange);
    if (world.rank() != 1) return exchange.announce(ctx, scope.alloc<i32>(0, kTopk), counts);
    const auto mine = scope.alloc<i64>(exchange.places(), 2);
    std::fill_n(mine.data(), mine.size(), i64{0});
    mine(place, 0) = rows;
    mine(place, 1) = pairs;
    const auto numbers = static_cast<size_t>(mine.size());
    world.all_gather(std::as_bytes(std::span(mine.data(), numbers)),
                     std::as_writable_bytes(
                         std::span(counts.counts.data(), numbers * static_cast<size_t>(ranks))));
  });
}

TEST(ExchangeFaultsTest, CountsThatNoRoutingHasAreRefused) {
  EXPECT_EQ(announced(2, 1, 0, 4, 12), "accepted");
  for (const auto& [rows, pairs] : {std::pair{-1, 0}, {5, 5}, {4, 13}, {2, 1}, {0, 1}}) {
    EXPECT_THAT(announced(2, 1, 0, rows, pairs),
                HasSubstr(fmt::format("rank 1 of the group announced {} rows and {} pairs to place "
                                      "0 in round 0, expected 0 to 4 rows",
                                      rows, pairs)));
  }
  // Of a node: place 5 is the second of two, whose ranks get nothing.
  EXPECT_THAT(announced(4, 2, 5, 1, 1),
              HasSubstr("rank 1 of the group announced 1 rows and 1 pairs to place 5 in round 0, "
                        "expected 0 to 0 rows, 0 to 0 pairs"));
}

/// Rank 0 announces one token and sends it with other choices; `edit` makes its own counts fit.
std::string sent(int ranks, int per_node, Choices said, Choices sent, const Edit& edit) {
  return error_on(ranks, per_node, [&](Ctx& ctx, comm::Comm& world, ExpertExchange& exchange) {
    Workspace::Scope scope(ctx.workspace());
    Side side(exchange, world.rank() == 0 ? 1 : 0, 1);
    const ExchangeCounts counts = counts_in(scope, exchange);
    const auto choose = [&](const Choices& choices) {
      if (world.rank() == 0) side.kept_values.assign(choices.begin(), choices.end());
    };
    choose(said);
    exchange.announce(ctx, side.kept(), counts);
    choose(sent);
    if (world.rank() == 0) edit(counts);
    const i64 arrived = counts.rows_to(world.rank());
    const auto memory =
        scope.alloc<u8>(ops::saved_matrix_bytes(SavedFormat::kF32, arrived, kWidth));
    const auto weights = scope.alloc<float>(side.tokens, kTopk);
    std::fill_n(weights.data(), weights.size(), 1.0f);
    exchange.dispatch(ctx, counts, side.kept(), weights, side.rows(),
                      ops::saved_matrix_at(memory.data(), SavedFormat::kF32, arrived, kWidth),
                      {scope.alloc<i32>(arrived, kTopk), scope.alloc<float>(arrived, kTopk),
                       scope.alloc<i32>(exchange.passed_on_rows(counts), kTopk)});
  });
}

TEST(ExchangeFaultsTest, RoutingThatItsCountsDoNotFitIsRefused) {
  const auto set = [](const ExchangeCounts& counts, i64 place, i64 rows, i64 pairs) {
    counts.counts(0, 0, place, 0) = rows;
    counts.counts(0, 0, place, 1) = pairs;
  };
  const Edit none = [](const ExchangeCounts&) {};
  EXPECT_EQ(sent(2, 1, {4, 5, -1}, {4, 5, -1}, none), "accepted");
  // The sender's own.
  EXPECT_THAT(sent(2, 1, {0, -1, -1}, {0, 4, -1}, none),
              HasSubstr("rank 0 of the group announced 0 rows and 0 pairs to place 1 in round 0, "
                        "its routing has 1 and 1"));
  // Who answers: a row as announced, of another number of experts.
  EXPECT_THAT(sent(2, 1, {4, 5, -1}, {4, -1, -1},
                   [&](const ExchangeCounts& counts) { set(counts, 1, 1, 1); }),
              HasSubstr("rank 0 of the group announced 1 rows and 2 pairs to place 1 in round 0, "
                        "its routing has 1 and 1"));
  // Who hands on: rank 2, to rank 3 of its node, for which it has no room, or too much.
  EXPECT_EQ(sent(4, 2, {4, 6, -1}, {4, 6, -1}, none), "accepted");
  EXPECT_THAT(sent(4, 2, {4, -1, -1}, {4, 6, -1},
                   [&](const ExchangeCounts& counts) {
                     set(counts, 3, 1, 1);
                     set(counts, 5, 1, 2);
                   }),
              HasSubstr("rank 0 of the group announced 0 rows and 0 pairs to place 3 in round 0, "
                        "its routing has 1 and 1"));
  EXPECT_THAT(sent(4, 2, {4, 6, -1}, {4, -1, -1},
                   [&](const ExchangeCounts& counts) {
                     set(counts, 3, 0, 0);
                     set(counts, 5, 1, 1);
                   }),
              HasSubstr("rank 0 of the group announced 1 rows and 1 pairs to place 3 in round 0, "
                        "its routing has 0 and 0"));
}

}  // namespace
}  // namespace fathom::model
