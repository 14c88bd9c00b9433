#include "ops/elementwise/rope.h"

#include <gmock/gmock.h>

#include <cmath>

#include "backend/backend.h"
#include "kernels/ref/rope.h"
#include "testing/expect.h"
#include "testing/expect_gradient.h"
#include "testing/for_each_isa.h"
#include "testing/tensor.h"

namespace fathom::ops {
namespace {

namespace ref = kernels::ref;
using testing::expect_bitwise_equal;
using testing::expect_close;
using testing::expect_gradient;
using testing::for_each_isa;
using testing::normal;
using testing::Tensor;

RopeTable table_of(i64 pairs, RopePairing pairing, float factor = 1.0f) {
  RopeTable table;
  for (i64 i = 0; i < pairs; ++i) {
    table.frequency.push_back(
        std::pow(10000.0, -static_cast<double>(i) / static_cast<double>(pairs)));
  }
  table.pairing = pairing;
  table.cos_sin_factor = factor;
  return table;
}

TEST(Rope, EveryIsaMatchesReference) {
  for_each_isa([](Ctx& ctx) {
    for (const RopePairing pairing : {RopePairing::kInterleaved, RopePairing::kHalves}) {
      for (const i64 pairs : {1, 3, 4, 7, 16, 17, 32}) {
        const RopeTable table = table_of(pairs, pairing, 1.25f);
        Tensor<i64> positions({4});
        positions[1] = 1;
        positions[2] = 4095;
        positions[3] = 163839;  // V3's last position: angles in f32 would be off by 1e-2
        auto x = normal<float>({4, 3, 2 * pairs});
        auto want = x.to<double>();
        rope_forward_inplace(ctx, table, positions.v<1>(), x.v<3>());
        ref::rope_forward_inplace<double>(table.frequency, 1.25, pairing == RopePairing::kHalves,
                                          positions.v<1>(), want.v<3>());
        expect_close(x, want, {.rel = kRopeRelTol}, "pairs " + std::to_string(pairs));
      }
    }
  });
}

// Two channels of position 1 at frequency 1: (1, 0) is rotated to (cos 1, sin 1).
TEST(Rope, PairsAreNeighboursOrHalves) {
  for_each_isa([](Ctx& ctx) {
    RopeTable table;
    table.frequency = {1.0, 0.0};
    Tensor<i64> positions({1});
    positions[0] = 1;
    Tensor<float> x({1, 1, 4});
    x[0] = 1.0f;
    rope_forward_inplace(ctx, table, positions.v<1>(), x.v<3>());
    EXPECT_FLOAT_EQ(x[0], std::cos(1.0f));
    EXPECT_FLOAT_EQ(x[1], std::sin(1.0f));
    EXPECT_EQ(x[2], 0.0f);

    table.pairing = RopePairing::kHalves;
    Tensor<float> z({1, 1, 4});
    z[0] = 1.0f;
    rope_forward_inplace(ctx, table, positions.v<1>(), z.v<3>());
    EXPECT_FLOAT_EQ(z[0], std::cos(1.0f));
    EXPECT_EQ(z[1], 0.0f);
    EXPECT_FLOAT_EQ(z[2], std::sin(1.0f));
  });
}

// Only the rope part of each head is rotated, in place, through a strided view.
TEST(Rope, RotatesASliceOfEachHead) {
  for_each_isa([](Ctx& ctx) {
    const RopeTable table = table_of(4, RopePairing::kInterleaved);
    Tensor<i64> positions({2});
    positions[0] = 7;
    positions[1] = 9;
    auto q = normal<float>({2, 3, 5 + 8});
    const auto before = q;
    Tensor<float> alone({2, 3, 8});
    for (i64 row = 0; row < 6; ++row) {
      for (i64 i = 0; i < 8; ++i) alone[row * 8 + i] = q[row * 13 + 5 + i];
    }
    rope_forward_inplace(ctx, table, positions.v<1>(), q.v<3>().slice(2, 5, 8));
    rope_forward_inplace(ctx, table, positions.v<1>(), alone.v<3>());
    for (i64 row = 0; row < 6; ++row) {
      for (i64 i = 0; i < 13; ++i) {
        EXPECT_EQ(q[row * 13 + i], i < 5 ? before[row * 13 + i] : alone[row * 8 + i - 5]);
      }
    }
  });
}

TEST(RopeBackward, ReferenceIsTheGradient) {
  for (const bool halves : {false, true}) {
    const std::vector<double> frequency = {1.0, 0.1, 0.01};
    Tensor<i64> positions({2});
    positions[0] = 3;
    positions[1] = 50;
    auto x = normal<double>({2, 2, 6});
    const auto dy = normal<double>({2, 2, 6}, 1.0, 1);
    auto dx = dy;
    ref::rope_backward_inplace<double>(frequency, 0.7, halves, positions.v<1>(), dx.v<3>());
    const auto loss = [&] {
      auto y = x;
      ref::rope_forward_inplace<double>(frequency, 0.7, halves, positions.v<1>(), y.v<3>());
      return testing::dot(dy, y);
    };
    expect_gradient(loss, x, dx);
  }
}

TEST(RopeBackward, EveryIsaMatchesReference) {
  for_each_isa([](Ctx& ctx) {
    for (const RopePairing pairing : {RopePairing::kInterleaved, RopePairing::kHalves}) {
      for (const i64 pairs : {1, 3, 4, 5, 7, 8, 9, 16, 17, 32}) {
        const RopeTable table = table_of(pairs, pairing, 1.25f);
        Tensor<i64> positions({3});
        positions[1] = 4095;
        positions[2] = 163839;
        auto dx = normal<float>({3, 2, 2 * pairs});
        auto want = dx.to<double>();
        rope_backward_inplace(ctx, table, positions.v<1>(), dx.v<3>());
        ref::rope_backward_inplace<double>(table.frequency, 1.25, pairing == RopePairing::kHalves,
                                           positions.v<1>(), want.v<3>());
        expect_close(dx, want, {.rel = kRopeRelTol}, "pairs " + std::to_string(pairs));
      }
    }
  });
}

// Angles computed once rotate as those computed in the call do, both ways, on any threads.
TEST(RopeAngles, AreTheSameBits) {
  for_each_isa([](Ctx& ctx) {
    for (const RopePairing pairing : {RopePairing::kInterleaved, RopePairing::kHalves}) {
      const i64 tokens = 300, pairs = 32;
      const RopeTable table = table_of(pairs, pairing, 0.5f);
      Tensor<i64> positions({tokens});
      for (i64 t = 0; t < tokens; ++t) positions[t] = 7 * t;
      Tensor<float> cos({tokens, pairs}), sin({tokens, pairs});
      RopeAngles angles{cos.v<2>(), sin.v<2>()};
      rope_angles(ctx, table, positions.v<1>(), angles);
      EXPECT_EQ(angles.pairing, pairing);
      const auto x = normal<float>({tokens, 3, 2 * pairs});
      auto forward = x, backward = x;
      rope_forward_inplace(ctx, table, positions.v<1>(), forward.v<3>());
      rope_backward_inplace(ctx, table, positions.v<1>(), backward.v<3>());
      for (const int threads : {1, 2, 7}) {
        const testing::ScopedThreads scoped(threads);
        auto y = x, z = x;
        rope_forward_inplace(ctx, angles, y.v<3>());
        rope_backward_inplace(ctx, angles, z.v<3>());
        expect_bitwise_equal(y, forward);
        expect_bitwise_equal(z, backward);
      }
    }
  });
}

TEST(RopeAngles, MustFitTheTokens) {
  Ctx ctx = backend::make_context();
  Tensor<float> cos({3, 4}), sin({3, 4}), x({2, 1, 8});
  const RopeAngles angles{cos.v<2>(), sin.v<2>()};
  try {
    rope_forward_inplace(ctx, angles, x.v<3>());
    FAIL() << "accepted";
  } catch (const InternalError& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("angles [3, 4] and [3, 4] vs x [2, 1, 8]"));
  }
}

TEST(Rope, FrequenciesMustFitTheHead) {
  Ctx ctx = backend::make_context();
  Tensor<i64> positions({1});
  Tensor<float> x({1, 2, 6});
  try {
    rope_forward_inplace(ctx, table_of(4, RopePairing::kHalves), positions.v<1>(), x.v<3>());
    FAIL() << "accepted";
  } catch (const InternalError& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("x [1, 2, 6] vs 4 frequencies"));
  }
}

}  // namespace
}  // namespace fathom::ops
