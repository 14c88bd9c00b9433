// Dispatch and combine as a pair of linear maps.
#include "model/exchange/expert_exchange.h"

#include <gtest/gtest.h>

#include <cmath>
#include <mutex>
#include <optional>

#include "backend/backend.h"
#include "base/parallel.h"
#include "comm/test_chaos.h"
#include "model/exchange/test_exchange.h"

namespace fathom::model {
namespace {

using namespace exchange_test;

void copy(View<const float, 1> from, View<float, 1> to) {
  std::copy_n(from.data(), from.dim(0), to.data());
}

// Tokens around every bound of a round: 0 .. 2 C + 1, other numbers on other ranks.
TEST(ExpertExchangeTest, IdentityExpertsGiveEachTokenItsNumberOfExpertsTimes) {
  constexpr i64 kRound = 4;
  for (const auto& [ranks, per_node] : {std::pair{3, 0}, {4, 2}, {6, 3}}) {
    for (comm::ThreadsOptions options : comm::testing::quiet_and_chaotic(2)) {
      options.job.ranks_per_node = per_node;
      for (const ExpertWire wire : {ExpertWire::kF32, ExpertWire::kBf16, ExpertWire::kFp8}) {
        comm::run_ranks(ranks, options, [&](comm::Comm& world) {
          const OwnThreads threads(1);
          Ctx ctx = backend::make_context();
          ExpertExchange exchange(world, kExperts, wire, 2 * kRound + 2, kRound);
          for (i64 most = 0; most <= 2 * kRound + 1; ++most) {
            const Side side(exchange, (most + world.rank() * 5) % (2 * kRound + 2), 7);
            const std::vector<float> y = round_trip(ctx, world, exchange, side, copy).y;
            for (i64 t = 0; t < side.tokens; ++t) {
              const i32* row = side.kept().row(t);
              const auto times =
                  static_cast<float>(std::count_if(row, row + kTopk, [](i32 e) { return e >= 0; }));
              for (i64 i = 0; i < kWidth; ++i) {
                const auto at = static_cast<size_t>(t * kWidth + i);
                ASSERT_EQ(y[at], times * side.x[at]) << "token " << t << " of " << side.tokens;
              }
            }
          }
        });
      }
    }
  }
}

// A narrow way back rounds what each rank adds up once: 2^-8 of the numbers that meet there.
TEST(ExpertExchangeTest, ABf16CombineIsWithinTwoToTheMinusEight) {
  double worst = 0.0;
  std::mutex mutex;
  comm::run_ranks(3, {}, [&](comm::Comm& world) {
    const OwnThreads threads(1);
    Ctx ctx = backend::make_context();
    std::vector<float> exact, narrow;
    Side* side = nullptr;
    std::optional<Side> kept;
    for (const ExpertWire wire : {ExpertWire::kF32, ExpertWire::kBf16}) {
      ExpertExchange exchange(world, kExperts, wire, 9, 4);
      side = &kept.emplace(exchange, 9, static_cast<u64>(world.rank()));
      const auto answer = [](View<const float, 1> x, View<float, 1> y) {
        for (i64 i = 0; i < kWidth; ++i) y(i) = std::sin(3.7f * x(i) + static_cast<float>(i));
      };
      (wire == ExpertWire::kF32 ? exact : narrow) =
          round_trip(ctx, world, exchange, *side, answer).y;
    }
    const std::lock_guard lock(mutex);
    for (i64 t = 0; t < side->tokens; ++t) {
      for (i64 i = 0; i < kWidth; ++i) {  // three experts of at most |1|
        const auto at = static_cast<size_t>(t * kWidth + i);
        worst = std::max(
            worst,
            std::abs(static_cast<double>(narrow[at]) - static_cast<double>(exact[at])) / kTopk);
      }
    }
  });
  EXPECT_LE(worst, 1.0 / 256);
  EXPECT_GT(worst, 1.0 / 8192) << "the wire is not narrow";
}

// <dispatch(x), y> = <x, combine(y)> over all ranks.
TEST(ExpertExchangeTest, CombineIsDispatchsTranspose) {
  double forward = 0.0, backward = 0.0;
  std::mutex mutex;
  comm::run_ranks(4, {}, [&](comm::Comm& world) {
    const OwnThreads threads(1);
    Ctx ctx = backend::make_context();
    ExpertExchange exchange(world, kExperts, ExpertWire::kF32, 9, 4);
    const Side side(exchange, 3 + 2 * world.rank(), static_cast<u64>(world.rank()));
    const Philox rng(static_cast<u64>(world.rank()), 9);
    u64 counter = 0;
    double dot = 0.0;
    const std::vector<float> z =
        round_trip(ctx, world, exchange, side, [&](View<const float, 1> x, View<float, 1> y) {
          for (i64 i = 0; i < kWidth; ++i) {
            y(i) = static_cast<float>(rng.normal(counter++));
            dot += static_cast<double>(x(i)) * static_cast<double>(y(i));
          }
        }).y;
    double other = 0.0;
    for (size_t i = 0; i < z.size(); ++i)
      other += static_cast<double>(side.x[i]) * static_cast<double>(z[i]);
    const std::lock_guard lock(mutex);
    forward += dot;
    backward += other;
  });
  EXPECT_NEAR(forward, backward, 1e-6 * std::abs(forward));
}

TEST(ExpertExchangeTest, AnyNumberOfExpertsFitsAnyNumberOfRanks) {
  comm::Comm alone = comm::Comm::self();
  for (i64 experts = 1; experts < 40; ++experts) {
    const ExpertExchange exchange(alone, experts, ExpertWire::kF32, 1, 1);
    EXPECT_EQ(exchange.first_expert(0), 0);
    EXPECT_EQ(exchange.first_expert(1), experts);
    for (i64 e = 0; e < experts; ++e) EXPECT_EQ(exchange.rank_of(e), 0);
  }
  comm::run_ranks(5, {}, [](comm::Comm& world) {
    for (i64 experts = 5; experts < 40; ++experts) {
      const ExpertExchange exchange(world, experts, ExpertWire::kF32, 1, 1);
      for (i64 e = 0; e < experts; ++e) {
        const i64 rank = exchange.rank_of(e);
        EXPECT_GE(e, exchange.first_expert(rank));
        EXPECT_LT(e, exchange.first_expert(rank) + exchange.experts_of(rank));
      }
    }
  });
}

TEST(ExpertWireTest, Fp8TilesHavePowersOfTwoAndKeepNanAndZero) {
  const i64 cols = 300;
  std::vector<float> x(static_cast<size_t>(cols));
  for (i64 i = 0; i < 128; ++i) x[static_cast<size_t>(i)] = 448.0f * 0.25f;  // fits exactly
  for (i64 i = 128; i < 256; ++i) x[static_cast<size_t>(i)] = 1e-6f * static_cast<float>(i);
  x[299] = std::nanf("");  // the last tile is 0 but for it
  const i32 token = 0;
  std::vector<u8> wire(static_cast<size_t>(wire_row_bytes(SavedFormat::kE4m3Tiles, cols)));
  encode_rows(SavedFormat::kE4m3Tiles, {x.data(), {1, cols}}, {&token, 1}, wire.data());
  EXPECT_EQ(wire.size(), 303u);
  EXPECT_EQ(wire[300], 125);  // 2^-2
  std::vector<u8> numbers(300);
  std::vector<float> scales(3);
  const SavedMatrix rows{numbers.data(), scales.data(), 1, cols, SavedFormat::kE4m3Tiles};
  decode_rows(wire.data(), 1, 0, rows);
  std::vector<float> y(static_cast<size_t>(cols));
  Ctx ctx = backend::make_context();
  ops::load_matrix(ctx, rows, View<float, 2>(y.data(), {1, cols}));
  for (size_t i = 0; i < 128; ++i) EXPECT_EQ(y[i], x[i]);
  for (size_t i = 128; i < 256; ++i) EXPECT_NEAR(y[i], x[i], 0.0626 * x[i]);
  for (size_t i = 256; i < 299; ++i) EXPECT_EQ(y[i], 0.0f);
  EXPECT_TRUE(std::isnan(y[299]));
}

}  // namespace
}  // namespace fathom::model
