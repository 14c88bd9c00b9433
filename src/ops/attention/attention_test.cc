#include "ops/attention/attention.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "backend/backend.h"
#include "kernels/ref/attention.h"
#include "testing/expect.h"
#include "testing/for_each_isa.h"
#include "testing/special_values.h"
#include "testing/tensor.h"

namespace fathom::ops {
namespace {

namespace ref = kernels::ref;
using testing::expect_bitwise_equal;
using testing::expect_close;
using testing::for_each_isa;
using testing::kNan;
using testing::normal;
using testing::Tensor;

struct Shape {
  i64 tokens, keys, heads, kv_heads, rope_heads, dim, rope, v;
};

/// Random operands of one shape; the queries are the last tokens of the keys.
struct Problem {
  explicit Problem(const Shape& s, double scale = 1.0)
      : shape(s),
        q(normal<float>({s.tokens, s.heads, s.dim}, scale, 1)),
        k(normal<float>({s.keys, s.kv_heads, s.dim}, scale, 2)),
        v(normal<float>({s.keys, s.kv_heads, s.v}, 1.0, 3)),
        positions({s.tokens}) {
    if (s.rope > 0) {
      q_rope = normal<float>({s.tokens, s.heads, s.rope}, scale, 4);
      k_rope = normal<float>({s.keys, s.rope_heads, s.rope}, scale, 5);
    }
    for (i64 t = 0; t < s.tokens; ++t) positions[t] = s.keys - s.tokens + t;
  }

  /// Keys [begin, begin + count) as a tile.
  AttentionTile tile(i64 begin, i64 count) const {
    AttentionTile t;
    t.q = q.v<3>();
    t.k = k.v<3>().slice(0, begin, count);
    if (shape.rope > 0) {
      t.q_rope = q_rope.v<3>();
      t.k_rope = k_rope.v<3>().slice(0, begin, count);
    }
    t.v = v.v<3>().slice(0, begin, count);
    t.positions = positions.v<1>();
    t.key_begin = begin;
    t.scale = 0.3f;
    return t;
  }

  Tensor<float> run(Ctx& ctx, i64 keys_per_tile) const {
    State state(shape);
    attention_begin(ctx, state.view());
    for (i64 begin = 0; begin < shape.keys; begin += keys_per_tile) {
      attention_tile_forward(ctx, tile(begin, std::min(keys_per_tile, shape.keys - begin)),
                             state.view());
    }
    attention_end(ctx, state.view(), state.acc.v<3>());
    return state.acc;
  }

  Tensor<double> reference() const {
    const auto dq = q.to<double>(), dk = k.to<double>(), dv = v.to<double>();
    Tensor<double> dq_rope, dk_rope, want({shape.tokens, shape.heads, shape.v});
    View<const double, 3> q_rope_view, k_rope_view;
    if (shape.rope > 0) {
      dq_rope = q_rope.to<double>();
      dk_rope = k_rope.to<double>();
      q_rope_view = dq_rope.cv<3>();
      k_rope_view = dk_rope.cv<3>();
    }
    ref::attention_forward<double>(dq.v<3>(), dk.v<3>(), q_rope_view, k_rope_view, dv.v<3>(),
                                   positions.v<1>(), static_cast<double>(0.3f), want.v<3>());
    return want;
  }

  struct State {
    explicit State(const Shape& s)
        : max({s.tokens, s.heads}), sum({s.tokens, s.heads}), acc({s.tokens, s.heads, s.v}) {}
    AttentionState view() { return {max.v<2>(), sum.v<2>(), acc.v<3>()}; }
    Tensor<float> max, sum, acc;
  };

  Shape shape;
  Tensor<float> q, k, v, q_rope, k_rope;
  Tensor<i64> positions;
};

//                            tokens keys heads kv rope_heads dim rope v
constexpr Shape kShapes[] = {
    {1, 1, 1, 1, 1, 1, 0, 1},        {1, 33, 4, 1, 1, 64, 8, 64},  // absorbed MLA, decode
    {5, 21, 6, 1, 1, 33, 7, 19},                                   // absorbed MLA, prefill
    {7, 7, 3, 3, 1, 12, 4, 10},  // expanded MLA: one rope key for all
    {17, 40, 4, 4, 1, 128, 64, 128}, {3, 50, 8, 2, 1, 16, 0, 17},  // grouped queries
    {9, 9, 5, 5, 1, 7, 0, 3},                                      // one key head a head
    {4, 12, 4, 2, 4, 6, 2, 8}};                                    // more rope heads than key heads

TEST(Attention, EveryIsaMatchesReferenceForEveryTiling) {
  for_each_isa([](Ctx& ctx) {
    for (const Shape& shape : kShapes) {
      const Problem problem(shape);
      const auto want = problem.reference();
      for (const i64 keys_per_tile : {i64{1}, i64{3}, i64{16}, i64{17}, i64{1000}}) {
        expect_close(problem.run(ctx, keys_per_tile), want, {.rel = kAttentionRelTol},
                     "keys " + std::to_string(shape.keys) + " heads " +
                         std::to_string(shape.heads) + " tile " + std::to_string(keys_per_tile));
      }
    }
  });
}

TEST(Attention, LargeScoresDoNotOverflow) {
  for_each_isa([](Ctx& ctx) {
    const Problem problem(kShapes[2], /*scale=*/30.0);  // scores of thousands
    expect_close(problem.run(ctx, 5), problem.reference(), {.rel = 1e-3});
  });
}

// The result of a query must not depend on the queries beside it nor on the thread count.
TEST(Attention, AQueryIsBitwiseTheSameAmongOthers) {
  for_each_isa([](Ctx& ctx) {
    for (const Shape& shape : kShapes) {
      const Problem all(shape);
      const auto batch = all.run(ctx, 16);
      for (const int threads : {2, 3}) {
        const testing::ScopedThreads scoped(threads);
        expect_bitwise_equal(all.run(ctx, 16), batch, "threads");
      }
      for (i64 t = 0; t < shape.tokens; ++t) {
        Problem one(all);
        one.shape.tokens = 1;
        const auto row = [&](const Tensor<float>& x) {
          if (x.dims().empty()) return x;
          Tensor<float> r({1, x.dim(1), x.dim(2)});
          std::copy_n(x.data() + t * r.size(), r.size(), r.data());
          return r;
        };
        one.q = row(all.q);
        one.q_rope = row(all.q_rope);
        one.positions = Tensor<i64>({1});
        one.positions[0] = all.positions[t];
        expect_bitwise_equal(one.run(ctx, 16), row(batch), "token " + std::to_string(t));
      }
    }
  });
}

TEST(Attention, ATileInTheFutureChangesNothing) {
  for_each_isa([](Ctx& ctx) {
    const Problem problem(kShapes[2]);
    Problem::State state(problem.shape);
    attention_begin(ctx, state.view());
    AttentionTile future = problem.tile(0, 21);
    future.key_begin = 1000;
    attention_tile_forward(ctx, future, state.view());  // first of all: max is still -inf
    EXPECT_EQ(state.max[0], -std::numeric_limits<float>::infinity());
    attention_tile_forward(ctx, problem.tile(0, 21), state.view());
    const auto acc = state.acc, sum = state.sum, max = state.max;
    attention_tile_forward(ctx, future, state.view());
    expect_bitwise_equal(state.acc, acc);
    expect_bitwise_equal(state.sum, sum);
    expect_bitwise_equal(state.max, max);
    attention_end(ctx, state.view(), state.acc.v<3>());
    expect_close(state.acc, problem.reference(), {.rel = kAttentionRelTol});
  });
}

// A later token's NaN, or a score of -inf, stays with the queries that may see it.
TEST(Attention, PoisonDoesNotReachEarlierQueries) {
  for_each_isa([](Ctx& ctx) {
    const Shape shape = {6, 6, 2, 2, 1, 9, 0, 5};
    Problem problem(shape);
    const auto clean = problem.run(ctx, 6);
    for (i64 i = 0; i < 2 * 9; ++i) problem.k[4 * 2 * 9 + i] = kNan;
    for (i64 i = 0; i < 2 * 5; ++i) problem.v[4 * 2 * 5 + i] = kNan;
    const auto poisoned = problem.run(ctx, 6);
    for (i64 i = 0; i < poisoned.size(); ++i) {
      if (i < 4 * 2 * 5) {
        EXPECT_EQ(poisoned[i], clean[i]) << i;
      } else {
        EXPECT_TRUE(std::isnan(poisoned[i])) << i;
      }
    }
  });
}

TEST(Attention, ShapeMismatchNamesTheShapes) {
  Ctx ctx = backend::make_context();
  const Problem problem(kShapes[1]);
  Problem::State state(problem.shape);
  AttentionTile tile = problem.tile(0, 33);
  tile.k = tile.k.slice(0, 0, 32);
  try {
    attention_tile_forward(ctx, tile, state.view());
    FAIL() << "accepted";
  } catch (const InternalError& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("content: k [32, 1, 64] vs q [1, 4, 64]"));
  }
}

}  // namespace
}  // namespace fathom::ops
