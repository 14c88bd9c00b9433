#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "backend/backend.h"
#include "kernels/ref/elementwise.h"
#include "ops/elementwise/elementwise.h"
#include "testing/expect.h"
#include "testing/expect_gradient.h"
#include "testing/for_each_isa.h"
#include "testing/tensor.h"

namespace fathom::ops {
namespace {

namespace ref = kernels::ref;
using testing::expect_bitwise_equal;
using testing::expect_gradient;
using testing::for_each_isa;
using testing::normal;
using testing::Tensor;

struct Gradients {
  Tensor<float> dgate, dup, y;
};

Gradients silu_gradients(Ctx& ctx, const Tensor<float>& dy, const Tensor<float>& gate,
                         const Tensor<float>& up) {
  Gradients r{Tensor<float>(dy.dims()), Tensor<float>(dy.dims()), Tensor<float>(dy.dims())};
  silu_mul_backward(ctx, dy.v<2>(), gate.v<2>(), up.v<2>(), r.dgate.v<2>(), r.dup.v<2>(),
                    r.y.v<2>());
  return r;
}

TEST(SiluMulBackward, ReferenceIsTheGradient) {
  auto gate = normal<double>({3, 5}, 2.0), up = normal<double>({3, 5}, 1.0, 1);
  const auto dy = normal<double>({3, 5}, 1.0, 2);
  Tensor<double> dgate({3, 5}), dup({3, 5});
  ref::silu_mul_backward<double>(dy.v<2>(), gate.cv<2>(), up.cv<2>(), dgate.v<2>(), dup.v<2>());
  const auto loss = [&] {
    Tensor<double> y({3, 5});
    ref::silu_mul_forward<double>(gate.cv<2>(), up.cv<2>(), y.v<2>());
    return testing::dot(dy, y);
  };
  expect_gradient(loss, gate, dgate, "gate");
  expect_gradient(loss, up, dup, "up");
}

TEST(SiluMulBackward, EveryIsaMatchesReference) {
  for_each_isa([](Ctx& ctx) {
    for (const i64 dim : {1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 127, 1408}) {
      for (const double scale : {1e-3, 1.0, 30.0, 1e4}) {
        const auto gate = normal<float>({3, dim}, scale), up = normal<float>({3, dim}, 1.0, 1);
        const auto dy = normal<float>({3, dim}, 1.0, 2);
        const Gradients got = silu_gradients(ctx, dy, gate, up);
        Tensor<double> dgate({3, dim}), dup({3, dim});
        ref::silu_mul_backward<double>(dy.to<double>().cv<2>(), gate.to<double>().cv<2>(),
                                       up.to<double>().cv<2>(), dgate.v<2>(), dup.v<2>());
        for (i64 i = 0; i < got.dgate.size(); ++i) {
          // 1 + gate (1 - s) cancels near gate = -1.28: the bound is of its terms.
          const double z = static_cast<double>(gate[i]), s = 1.0 / (1.0 + std::exp(-z));
          const double size = std::abs(static_cast<double>(dy[i]) * static_cast<double>(up[i])) *
                              s * (1.0 + std::abs(z) * (1.0 - s));
          ASSERT_NEAR(got.dgate[i], dgate[i], kSiluMulGradRelTol * size + 1e-30) << "gate " << z;
          ASSERT_NEAR(got.dup[i], dup[i], kSiluMulGradRelTol * std::abs(dup[i]) + 1e-30)
              << "gate " << z;
        }
        Tensor<float> y({3, dim});
        silu_mul_forward(ctx, gate.v<2>(), up.v<2>(), y.v<2>());
        expect_bitwise_equal(got.y, y);
      }
    }
  });
}

TEST(SiluMulBackward, ResultsMayAliasInputs) {
  for_each_isa([](Ctx& ctx) {
    const auto gate = normal<float>({4, 37}, 2.0), up = normal<float>({4, 37}, 1.0, 1);
    const auto dy = normal<float>({4, 37}, 1.0, 2);
    const Gradients want = silu_gradients(ctx, dy, gate, up);
    auto g = gate, u = up, d = dy;
    silu_mul_backward(ctx, d.v<2>(), g.v<2>(), u.v<2>(), g.v<2>(), u.v<2>(), d.v<2>());
    expect_bitwise_equal(g, want.dgate);
    expect_bitwise_equal(u, want.dup);
    expect_bitwise_equal(d, want.y);
    d = dy;
    u = up;
    silu_mul_backward(ctx, d.v<2>(), gate.v<2>(), u.v<2>(), u.v<2>(), d.v<2>());
    expect_bitwise_equal(u, want.dgate);
    expect_bitwise_equal(d, want.dup);
  });
}

TEST(SiluMulBackward, ExtremesAndNan) {
  for_each_isa([](Ctx& ctx) {
    Tensor<float> gate({1, 4}), ones({1, 4});
    gate[0] = 200.0f;   // silu' = 1
    gate[1] = -200.0f;  // e^200 overflows: silu' = 0
    gate[2] = std::numeric_limits<float>::quiet_NaN();
    gate[3] = 0.0f;
    for (i64 i = 0; i < 4; ++i) ones[i] = 1.0f;
    const Gradients r = silu_gradients(ctx, ones, gate, ones);
    EXPECT_EQ(r.dgate[0], 1.0f);
    EXPECT_EQ(r.dup[0], 200.0f);
    EXPECT_EQ(r.dgate[1], 0.0f);
    EXPECT_EQ(r.dup[1], 0.0f);
    EXPECT_TRUE(std::isnan(r.dgate[2]) && std::isnan(r.dup[2]));
    EXPECT_EQ(r.dgate[3], 0.5f);
    EXPECT_EQ(r.dup[3], 0.0f);
  });
}

TEST(SiluMulBackward, ThreadsChangeNothing) {
  for_each_isa([](Ctx& ctx) {
    const auto gate = normal<float>({500, 67}), up = normal<float>({500, 67}, 1.0, 1);
    const auto dy = normal<float>({500, 67}, 1.0, 2);
    const auto run = [&](int threads) {
      const testing::ScopedThreads scoped(threads);
      return silu_gradients(ctx, dy, gate, up);
    };
    const Gradients one = run(1);
    for (const int threads : {2, 7}) {
      const Gradients many = run(threads);
      expect_bitwise_equal(many.dgate, one.dgate);
      expect_bitwise_equal(many.dup, one.dup);
    }
  });
}

TEST(SiluMulBackward, ShapeMismatchNamesTheShapes) {
  Ctx ctx = backend::make_context();
  Tensor<float> a({2, 3}), b({2, 4});
  try {
    silu_mul_backward(ctx, a.v<2>(), b.v<2>(), a.v<2>(), a.v<2>(), a.v<2>());
    FAIL() << "accepted";
  } catch (const InternalError& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("dy [2, 3] and up [2, 3] vs gate [2, 4]"));
  }
}

/// Every token adds its row in the order of tokens, in f32: the result has these bits.
Tensor<float> added_rows(Tensor<float> table, const Tensor<i32>& ids, const Tensor<float>& dout) {
  ref::embedding_backward<float>(dout.v<2>(), ids.v<1>(), table.v<2>());
  return table;
}

TEST(EmbeddingBackward, EveryIsaAddsExactlyInTheOrderOfTokens) {
  for_each_isa([](Ctx& ctx) {
    for (const i64 dim : {1, 3, 4, 5, 8, 15, 16, 17, 64, 65, 200}) {
      const i64 tokens = 50;
      Tensor<i32> ids({tokens});
      for (i64 t = 0; t < tokens; ++t) ids[t] = static_cast<i32>(t * t % 7) - 1;  // -1 often, too
      const auto dout = normal<float>({tokens, dim}), before = normal<float>({6, dim}, 1.0, 1);
      const auto want = added_rows(before, ids, dout);
      for (const int threads : {1, 2, 7}) {
        const testing::ScopedThreads scoped(threads);
        auto table = before;
        embedding_backward(ctx, dout.v<2>(), ids.v<1>(), table.v<2>());
        expect_bitwise_equal(table, want, "dim " + std::to_string(dim));
      }
    }
  });
}

TEST(EmbeddingBackward, ManyTokensOnManyThreads) {
  for_each_isa([](Ctx& ctx) {
    const i64 tokens = 600, dim = 300;
    Tensor<i32> ids({tokens});
    for (i64 t = 0; t < tokens; ++t) ids[t] = static_cast<i32>(t % 11);
    const auto dout = normal<float>({tokens, dim});
    const auto want = added_rows(Tensor<float>({11, dim}), ids, dout);
    for (const int threads : {1, 2, 7}) {
      const testing::ScopedThreads scoped(threads);
      Tensor<float> table({11, dim});
      embedding_backward(ctx, dout.v<2>(), ids.v<1>(), table.v<2>());
      expect_bitwise_equal(table, want);
    }
  });
}

TEST(EmbeddingBackward, ReferenceIsTheGradient) {
  Tensor<i32> ids({4});
  ids[0] = 2;
  ids[1] = -1;
  ids[2] = 2;
  auto table = normal<double>({3, 2});
  const auto dout = normal<double>({4, 2}, 1.0, 1);
  Tensor<double> dtable({3, 2});
  ref::embedding_backward<double>(dout.v<2>(), ids.v<1>(), dtable.v<2>());
  const auto loss = [&] {
    double sum = 0;
    for (i64 t = 0; t < 4; ++t) {
      for (i64 i = 0; ids[t] >= 0 && i < 2; ++i) sum += dout[t * 2 + i] * table[ids[t] * 2 + i];
    }
    return sum;
  };
  expect_gradient(loss, table, dtable);
}

TEST(EmbeddingBackward, NamesAnIdOutside) {
  Ctx ctx = backend::make_context();
  Tensor<i32> ids({2});
  Tensor<float> dout({2, 4}), table({5, 4});
  for (const i32 bad : {-2, 5}) {
    ids[1] = bad;
    try {
      embedding_backward(ctx, dout.v<2>(), ids.v<1>(), table.v<2>());
      FAIL() << "accepted " << bad;
    } catch (const InternalError& error) {
      EXPECT_THAT(error.what(), ::testing::HasSubstr("id " + std::to_string(bad) + " at 1"));
    }
  }
}

}  // namespace
}  // namespace fathom::ops
