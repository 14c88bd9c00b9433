#pragma once
// For tests of the exchange: one rank's tokens, and their way to experts and back.
#include <algorithm>
#include <span>
#include <vector>

#include "base/rng.h"
#include "model/exchange/expert_exchange.h"
#include "ops/gemm/gemm.h"
#include "ops/moe/moe_train.h"

namespace fathom::model::exchange_test {

inline constexpr i64 kExperts = 7, kTopk = 3, kWidth = 130;

/// One rank's tokens, and all that a layer keeps of an exchange.
struct Side {
  Side(const ExpertExchange& exchange, i64 num_tokens, u64 seed)
      : room(exchange.room(kTopk, 0.0)),
        kept_values(static_cast<size_t>(num_tokens * kTopk)),
        x(static_cast<size_t>(num_tokens * kWidth)),
        tokens(num_tokens) {
    const Philox rng(seed, 1);
    u64 counter = 0;
    for (i64 t = 0; t < tokens; ++t) {
      for (i64 j = 0; j < kTopk; ++j) {  // distinct experts, some dropped
        const auto expert =
            static_cast<i32>((rng.uniform(counter++) < 0.2) ? -1 : (t * 3 + j * 2) % kExperts);
        kept_values[static_cast<size_t>(t * kTopk + j)] = expert;
      }
    }
    for (float& value : x)
      value = static_cast<float>(static_cast<int>(rng.uniform(counter++) * 16.0) - 8);
  }
  View<const i32, 2> kept() const { return {kept_values.data(), {tokens, kTopk}}; }
  View<const float, 2> rows() const { return {x.data(), {tokens, kWidth}}; }

  ExchangeRoom room;
  std::vector<i32> kept_values;
  std::vector<float> x;
  i64 tokens;
};

struct Rows {
  explicit Rows(Workspace::Scope& scope, i64 experts, i64 tokens)
      : permuted{.offsets = scope.alloc<i32>(experts + 1),
                 .tokens = scope.alloc<i32>(tokens * kTopk),
                 .slots = scope.alloc<i32>(tokens * kTopk),
                 .row_of = scope.alloc<i32>(tokens, kTopk)} {}
  device::PermutedRows permuted;
};

/// What a way out and back left on one rank.
struct Trip {
  std::vector<u8> rows;                       // that arrived
  std::vector<i32> kept;                      // ArrivedRouting
  std::vector<float> weights;                 //
  std::vector<float> y;                       // [tokens, width]  combine
  std::vector<float> pair_values;             // [tokens, topk]   what return_pairs brought of each
  i64 dispatch_bytes = 0, combine_bytes = 0;  // to other nodes
};

template <typename T>
std::vector<T> copy_of(const T* data, i64 count) {
  return {data, data + count};
}

/// Sends `side` out; answer(a row that arrived in f32, a row for one of its experts) answers, and a
/// pair's value is the first number of that. The way out is gone twice, as a backward pass does.
template <typename Answer>
Trip round_trip(Ctx& ctx, comm::Comm& world, ExpertExchange& exchange, const Side& side,
                Answer&& answer) {
  Workspace::Scope scope(ctx.workspace());
  const ExchangeRoom& room = side.room;
  const ExchangeCounts counts{scope.alloc<i64>(room.ranks, room.rounds, room.places, 2)};
  exchange.announce(ctx, side.kept(), counts);
  i64 through = 0;  // rows to this node of the ranks with this one's place in theirs
  const i64 per_node = exchange.two_hops() ? room.ranks / (room.places - room.ranks) : 0;
  for (i64 s = 0; per_node > 0 && s < room.ranks; ++s) {
    if (s % per_node != exchange.rank() % per_node) continue;
    for (i64 r = 0; r < room.rounds; ++r) {
      through += counts.rows(s, r, room.ranks + exchange.rank() / per_node);
    }
  }
  EXPECT_EQ(exchange.passed_on_rows(counts), through);
  EXPECT_LE(through, room.passed_on);
  const i64 arrived = counts.rows_to(exchange.rank());
  const SavedFormat format = received_format(room.wire);
  const i64 bytes = ops::saved_matrix_bytes(format, arrived, kWidth);
  const auto memory = scope.alloc<u8>(bytes), again = scope.alloc<u8>(bytes);
  std::fill_n(memory.data(), bytes, u8{0});
  std::fill_n(again.data(), bytes, u8{0});
  const SavedMatrix rows = ops::saved_matrix_at(memory.data(), format, arrived, kWidth);
  const ArrivedRouting routing{scope.alloc<i32>(arrived, kTopk), scope.alloc<float>(arrived, kTopk),
                               scope.alloc<i32>(exchange.passed_on_rows(counts), kTopk)};
  const auto weights = scope.alloc<float>(side.tokens, kTopk);
  for (i64 i = 0; i < weights.size(); ++i) {
    weights.data()[i] = static_cast<float>(1 + i + 1000 * exchange.rank());
  }
  Trip trip;
  const i64 start = world.traffic().network_bytes;
  exchange.dispatch(ctx, counts, side.kept(), weights, side.rows(), rows, routing);
  trip.dispatch_bytes = world.traffic().network_bytes - start;
  exchange.dispatch(ctx, counts, side.kept(), {}, side.rows(),
                    ops::saved_matrix_at(again.data(), format, arrived, kWidth),
                    {.passed_on = routing.passed_on});
  EXPECT_TRUE(std::equal(memory.data(), memory.data() + bytes, again.data())) << "the second time";

  Rows own(scope, kExperts, side.tokens), there(scope, room.experts, arrived);
  ops::group_by_expert(ctx, side.kept(), own.permuted);
  ops::group_by_expert(ctx, routing.kept, there.permuted);
  const auto x = scope.alloc<float>(arrived, kWidth);
  ops::load_matrix(ctx, rows, x);
  const i64 pairs = there.permuted.offsets(room.experts);
  EXPECT_EQ(pairs, counts.pairs_to(exchange.rank()));
  const auto out = scope.alloc<float>(pairs, kWidth);
  const auto firsts = scope.alloc<float>(pairs);
  for (i64 r = 0; r < pairs; ++r) {
    answer(x[there.permuted.tokens(r)], out[r]);
    firsts(r) = out(r, 0);
  }
  trip.y.resize(static_cast<size_t>(side.tokens * kWidth));
  trip.pair_values.resize(static_cast<size_t>(side.tokens * kTopk));
  const ExchangePass pass{.counts = counts,
                          .kept = side.kept(),
                          .permuted = own.permuted,
                          .arrived_kept = routing.kept,
                          .arrived_rows = there.permuted,
                          .passed_on = routing.passed_on};
  const i64 middle = world.traffic().network_bytes;
  exchange.combine(ctx, pass, out, {trip.y.data(), {side.tokens, kWidth}});
  trip.combine_bytes = world.traffic().network_bytes - middle;
  exchange.return_pairs(ctx, pass, firsts, {trip.pair_values.data(), {side.tokens, kTopk}});
  trip.rows = copy_of(memory.data(), bytes);
  trip.kept = copy_of(routing.kept.data(), arrived * kTopk);
  trip.weights = copy_of(routing.weights.data(), arrived * kTopk);
  return trip;
}

}  // namespace fathom::model::exchange_test
