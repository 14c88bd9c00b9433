#include "ops/elementwise/weighted_silu.h"

#include <gmock/gmock.h>

#include "backend/backend.h"
#include "kernels/ref/weighted_silu.h"
#include "testing/expect.h"
#include "testing/for_each_isa.h"
#include "testing/tensor.h"

namespace fathom::ops {
namespace {

namespace ref = kernels::ref;
using testing::expect_bitwise_equal;
using testing::expect_close;
using testing::for_each_isa;
using testing::normal;
using testing::Tensor;

// Hop 1: the reference in double has the gradients of its forward, by central differences.
TEST(WeightedSiluMul, ReferenceGradientMatchesCentralDifference) {
  auto gate = normal<double>({3, 5}), up = normal<double>({3, 5}, 1.0, 1);
  auto weight = normal<double>({3}, 1.0, 2);
  const auto dy = normal<double>({3, 5}, 1.0, 3);
  Tensor<double> y({3, 5}), dgate({3, 5}), dup({3, 5}), dweight({3});
  ref::weighted_silu_mul_backward<double>(dy.v<2>(), gate.cv<2>(), up.cv<2>(), weight.cv<1>(),
                                          dgate.v<2>(), dup.v<2>(), dweight.v<1>());
  const auto expect_slope = [&](Tensor<double>& x, const Tensor<double>& dx) {
    for (i64 i = 0; i < x.size(); ++i) {
      const double at = x[i], h = 1e-5;
      const auto loss = [&](double value) {
        x[i] = value;
        ref::weighted_silu_mul_forward<double>(gate.cv<2>(), up.cv<2>(), weight.cv<1>(), y.v<2>());
        double sum = 0.0;
        for (i64 j = 0; j < y.size(); ++j) sum += y[j] * dy[j];
        return sum;
      };
      const double slope = (loss(at + h) - loss(at - h)) / (2 * h);
      x[i] = at;
      EXPECT_NEAR(dx[i], slope, 1e-8);
    }
  };
  expect_slope(gate, dgate);
  expect_slope(up, dup);
  expect_slope(weight, dweight);
}

// Hop 2: every kernel against the reference.
TEST(WeightedSiluMul, EveryIsaMatchesReference) {
  for_each_isa([](Ctx& ctx) {
    for (const i64 dim : {1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 127, 2048}) {
      const auto gate = normal<float>({7, dim}, 3.0), up = normal<float>({7, dim}, 1.0, 1);
      const auto weight = normal<float>({7}, 1.0, 2), dy = normal<float>({7, dim}, 1.0, 3);
      Tensor<float> y({7, dim}), dgate({7, dim}), dup({7, dim}), dweight({7}), again({7, dim});
      weighted_silu_mul_forward(ctx, gate.v<2>(), up.v<2>(), weight.v<1>(), y.v<2>());
      weighted_silu_mul_backward(ctx, dy.v<2>(), gate.v<2>(), up.v<2>(), weight.v<1>(),
                                 dgate.v<2>(), dup.v<2>(), dweight.v<1>(), again.v<2>());
      expect_bitwise_equal(again, y);

      const auto g = gate.to<double>(), u = up.to<double>(), d = dy.to<double>();
      const auto w = weight.to<double>();
      Tensor<double> want({7, dim}), want_dgate({7, dim}), want_dup({7, dim}), want_dweight({7});
      ref::weighted_silu_mul_forward<double>(g.v<2>(), u.v<2>(), w.v<1>(), want.v<2>());
      ref::weighted_silu_mul_backward<double>(d.v<2>(), g.v<2>(), u.v<2>(), w.v<1>(),
                                              want_dgate.v<2>(), want_dup.v<2>(),
                                              want_dweight.v<1>());
      const std::string what = "dim " + std::to_string(dim);
      expect_close(y, want, {.rel = kWeightedSiluMulRelTol}, what);
      expect_close(dgate, want_dgate, {.rel = kWeightedSiluMulGradRelTol}, what + " dgate");
      expect_close(dup, want_dup, {.rel = kWeightedSiluMulGradRelTol}, what + " dup");
      expect_close(dweight, want_dweight, {.rel = kWeightedSiluMulGradRelTol}, what + " dweight");

      auto alias_gate = gate, alias_up = up, alias_dy = dy;  // in place: dgate, dup, y
      weighted_silu_mul_backward(ctx, alias_dy.v<2>(), alias_gate.v<2>(), alias_up.v<2>(),
                                 weight.v<1>(), alias_gate.v<2>(), alias_up.v<2>(), dweight.v<1>(),
                                 alias_dy.v<2>());
      expect_bitwise_equal(alias_gate, dgate);
      expect_bitwise_equal(alias_up, dup);
      expect_bitwise_equal(alias_dy, y);
    }
  });
}

TEST(WeightedSiluMul, ThreadsChangeNothing) {
  Ctx ctx = backend::make_context();
  const auto gate = normal<float>({301, 65}), up = normal<float>({301, 65}, 1.0, 1);
  const auto weight = normal<float>({301}, 1.0, 2), dy = normal<float>({301, 65}, 1.0, 3);
  std::vector<Tensor<float>> dweights;
  for (const int threads : {1, 2, 7}) {
    const testing::ScopedThreads scoped(threads);
    Tensor<float> dgate({301, 65}), dup({301, 65}), dweight({301});
    weighted_silu_mul_backward(ctx, dy.v<2>(), gate.v<2>(), up.v<2>(), weight.v<1>(), dgate.v<2>(),
                               dup.v<2>(), dweight.v<1>());
    dweights.push_back(dweight);
  }
  expect_bitwise_equal(dweights[1], dweights[0]);
  expect_bitwise_equal(dweights[2], dweights[0]);
}

TEST(WeightedSiluMul, ShapeMismatchNamesBothShapes) {
  Ctx ctx = backend::make_context();
  Tensor<float> gate({5, 8}), up({5, 9}), y({5, 8}), weight({5});
  try {
    weighted_silu_mul_forward(ctx, gate.v<2>(), up.v<2>(), weight.v<1>(), y.v<2>());
    FAIL() << "accepted";
  } catch (const InternalError& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("[5, 9] vs gate [5, 8]"));
  }
}

}  // namespace
}  // namespace fathom::ops
