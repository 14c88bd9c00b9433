#include "ops/norm/rmsnorm.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "backend/backend.h"
#include "base/error.h"
#include "kernels/ref/rmsnorm.h"
#include "tensor/device_memory.h"
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

constexpr float kEps = 1e-6f;

TEST(RmsNorm, EveryIsaMatchesReference) {
  for_each_isa([](Ctx& ctx) {
    for (const i64 dim : {1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 127, 576, 8192}) {
      for (const double scale : {1e-15, 1.0, 1e15}) {
        auto x = normal<float>({5, dim}, scale), w = normal<float>({dim}, 1.0, 1);
        Tensor<float> y({5, dim}), rstd({5});
        Tensor<double> want({5, dim});
        rmsnorm_forward(ctx, x.v<2>(), w.v<1>(), kEps, y.v<2>(), rstd.v<1>());
        const auto exact_x = x.to<double>(), exact_w = w.to<double>();
        ref::rmsnorm_forward<double>(exact_x.v<2>(), exact_w.v<1>(), static_cast<double>(kEps),
                                     want.v<2>());
        const std::string what = "dim " + std::to_string(dim) + " scale " + std::to_string(scale);
        expect_close(y, want, {.rel = kRmsNormRelTol}, what);
        EXPECT_NEAR(rstd[4] * x[4 * dim] * w[0] / y[4 * dim], 1.0f, 1e-6f) << what;
        rmsnorm_forward(ctx, x.v<2>(), w.v<1>(), kEps, x.v<2>());  // y may alias x
        expect_bitwise_equal(x, y, what);
      }
    }
  });
}

TEST(RmsNorm, StridedRowsLeaveTheRestAlone) {
  for_each_isa([](Ctx& ctx) {
    auto x = normal<float>({3, 20});
    const auto before = x;
    const auto w = normal<float>({13}, 1.0, 1);
    Tensor<float> y({3, 13});
    rmsnorm_forward(ctx, x.v<2>().slice(1, 2, 13), w.v<1>(), kEps, y.v<2>());
    rmsnorm_forward(ctx, x.v<2>().slice(1, 2, 13), w.v<1>(), kEps, x.v<2>().slice(1, 2, 13));
    for (i64 t = 0; t < 3; ++t) {
      for (i64 i = 0; i < 20; ++i) {
        const bool inside = i >= 2 && i < 15;
        EXPECT_EQ(x[t * 20 + i], inside ? y[t * 13 + i - 2] : before[t * 20 + i]);
      }
    }
  });
}

TEST(RmsNormHeads, EveryHeadByItselfWhateverTheStrides) {
  for_each_isa([](Ctx& ctx) {
    for (const i64 tokens : {1, 5}) {
      for (const i64 dim : {1, 13, 128}) {
        constexpr i64 kHeads = 3;
        const i64 width = 2 * kHeads * dim;
        const auto before = normal<float>({tokens, width}, 10.0);
        const auto weight = normal<float>({dim}, 1.0, 1);
        auto want = before, strided = before;
        for (i64 t = 0; t < tokens; ++t) {
          for (i64 head = 0; head < kHeads; ++head) {
            const View<float, 2> row(want.data() + t * width + head * dim, {1, dim});
            rmsnorm_forward(ctx, row, weight.v<1>(), kEps, row);
          }
        }
        const View<float, 3> x(strided.data(), {tokens, kHeads, dim}, {width, dim, 1});
        rmsnorm_heads_inplace(ctx, x, weight.v<1>(), kEps);
        expect_bitwise_equal(strided, want, "the other half of each row stays");

        Tensor<float> packed({tokens, kHeads, dim});
        for (i64 t = 0; t < tokens; ++t) {
          std::copy_n(before.data() + t * width, kHeads * dim, packed.data() + t * kHeads * dim);
        }
        rmsnorm_heads_inplace(ctx, packed.v<3>(), weight.v<1>(), kEps);
        for (i64 t = 0; t < tokens; ++t) {
          for (i64 i = 0; i < kHeads * dim; ++i) {
            EXPECT_EQ(packed[t * kHeads * dim + i], want[t * width + i]);
          }
        }
      }
    }
  });
}

TEST(RmsNorm, NanAndZeroRowsStayTheirOwn) {
  for_each_isa([](Ctx& ctx) {
    Tensor<float> x({3, 17}), y({3, 17}), w({17});
    for (i64 i = 0; i < 17; ++i) w[i] = x[2 * 17 + i] = 1.0f;
    x[5] = std::numeric_limits<float>::quiet_NaN();
    rmsnorm_forward(ctx, x.v<2>(), w.v<1>(), kEps, y.v<2>());
    EXPECT_TRUE(std::isnan(y[0]));
    EXPECT_EQ(y[17], 0.0f);  // a zero row: 0 / sqrt(eps)
    EXPECT_NEAR(y[2 * 17], 1.0f, 1e-6f);
  });
}

// On a machine with a device, in a build with CUDA.
TEST(RmsNorm, CudaMatchesReference) {
  try {
    Ctx probe = backend::make_context(Device::kCuda);
  } catch (const Error& error) {
    ASSERT_EQ(error.code(), ErrorCode::kUnsupported);
    GTEST_SKIP() << error.message();
  }
  Ctx ctx = backend::make_context(Device::kCuda);
  for (const i64 dim : {1, 31, 256, 257, 7168}) {
    const i64 rows = 5;
    const auto x = normal<float>({rows, dim}), w = normal<float>({dim}, 1.0, 1);
    Buffer on_device(Device::kCuda, (2 * rows + 1) * dim * 4, "rmsnorm test");
    auto* device_x = reinterpret_cast<float*>(on_device.data());
    float *device_w = device_x + rows * dim, *device_y = device_w + dim;
    device_memory::copy(device_x, x.data(), rows * dim * 4);
    device_memory::copy(device_w, w.data(), dim * 4);
    rmsnorm_forward(ctx, {device_x, {rows, dim}}, {device_w, {dim}}, kEps, {device_y, {rows, dim}});
    Tensor<float> y({rows, dim});
    device_memory::copy(y.data(), device_y, rows * dim * 4);
    Tensor<double> want({rows, dim});
    const auto exact_x = x.to<double>(), exact_w = w.to<double>();
    ref::rmsnorm_forward<double>(exact_x.v<2>(), exact_w.v<1>(), static_cast<double>(kEps),
                                 want.v<2>());
    expect_close(y, want, {.rel = kRmsNormRelTol}, "dim " + std::to_string(dim));
  }
}

TEST(RmsNormBackward, ReferenceIsTheGradient) {
  const i64 rows = 3, dim = 7;
  auto x = normal<double>({rows, dim}), w = normal<double>({dim}, 1.0, 1);
  const auto dy = normal<double>({rows, dim}, 1.0, 2);
  Tensor<double> dx({rows, dim}), dw({dim});
  ref::rmsnorm_backward<double>(dy.v<2>(), x.cv<2>(), w.cv<1>(), 1e-2, dx.v<2>(), dw.v<1>());
  const auto loss = [&] {
    Tensor<double> y({rows, dim});
    ref::rmsnorm_forward<double>(x.cv<2>(), w.cv<1>(), 1e-2, y.v<2>());
    return testing::dot(dy, y);
  };
  expect_gradient(loss, x, dx, "x");
  expect_gradient(loss, w, dw, "weight");
}

struct Backward {
  Tensor<float> dx, dw;
};

/// Gradients of an op on top of `dx` and `dw`.
Backward backward(Ctx& ctx, const Tensor<float>& dy, const Tensor<float>& x, const Tensor<float>& w,
                  Backward start, bool accumulate_dx) {
  Tensor<float> y(x.dims()), rstd({x.dim(0)});
  rmsnorm_forward(ctx, x.v<2>(), w.v<1>(), kEps, y.v<2>(), rstd.v<1>());
  rmsnorm_backward(ctx, dy.v<2>(), x.v<2>(), w.v<1>(), rstd.v<1>(), start.dx.v<2>(),
                   start.dw.v<1>(), accumulate_dx);
  return start;
}

TEST(RmsNormBackward, EveryIsaMatchesReference) {
  for_each_isa([](Ctx& ctx) {
    for (const i64 rows : {1, 3, 4, 64, 130}) {
      for (const i64 dim : {1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 127, 576}) {
        const auto x = normal<float>({rows, dim}), w = normal<float>({dim}, 1.0, 1);
        const auto dy = normal<float>({rows, dim}, 1.0, 2);
        const Backward start{normal<float>({rows, dim}, 1.0, 3), normal<float>({dim}, 1.0, 4)};
        Tensor<double> dx({rows, dim}), dw = start.dw.to<double>();
        ref::rmsnorm_backward<double>(dy.to<double>().cv<2>(), x.to<double>().cv<2>(),
                                      w.to<double>().cv<1>(), static_cast<double>(kEps), dx.v<2>(),
                                      dw.v<1>());
        const std::string what = std::to_string(rows) + " x " + std::to_string(dim);
        const Backward over = backward(ctx, dy, x, w, start, false);
        // One channel: dx is what the rounding of 1 - xhat^2 leaves.
        const double abs = dim == 1 ? 1e-5 : 0.0;
        expect_close(over.dx, dx, {kRmsNormGradRelTol, abs}, what);
        expect_close(over.dw, dw, {.rel = kRmsNormGradRelTol}, what);

        const Backward added = backward(ctx, dy, x, w, start, true);
        for (i64 i = 0; i < dx.size(); ++i) {
          ASSERT_EQ(added.dx[i], start.dx[i] + over.dx[i]) << what << " at " << i;
        }
        expect_bitwise_equal(added.dw, over.dw, what);
      }
    }
  });
}

TEST(RmsNormBackward, DxMayAliasDyAndRowsMayBeStrided) {
  for_each_isa([](Ctx& ctx) {
    const i64 rows = 6, dim = 21;
    auto wide = normal<float>({rows, dim + 9});
    const auto before = wide, w = normal<float>({dim}, 1.0, 1);
    const auto x = normal<float>({rows, dim}, 1.0, 2);
    const View<float, 2> dy = wide.v<2>().slice(1, 4, dim);
    Tensor<float> y({rows, dim}), rstd({rows}), want({rows, dim}), dw({dim}), same_dw({dim});
    rmsnorm_forward(ctx, x.v<2>(), w.v<1>(), kEps, y.v<2>(), rstd.v<1>());
    rmsnorm_backward(ctx, dy, x.v<2>(), w.v<1>(), rstd.v<1>(), want.v<2>(), dw.v<1>());
    rmsnorm_backward(ctx, dy, x.v<2>(), w.v<1>(), rstd.v<1>(), dy, same_dw.v<1>());
    expect_bitwise_equal(same_dw, dw);
    for (i64 t = 0; t < rows; ++t) {
      for (i64 i = 0; i < dim + 9; ++i) {
        const bool inside = i >= 4 && i < 4 + dim;
        EXPECT_EQ(wide[t * (dim + 9) + i],
                  inside ? want[t * dim + i - 4] : before[t * (dim + 9) + i]);
      }
    }
  });
}

TEST(RmsNormBackward, ThreadsChangeNothing) {
  for_each_isa([](Ctx& ctx) {
    const i64 rows = 1000, dim = 130;
    const auto x = normal<float>({rows, dim}), w = normal<float>({dim}, 1.0, 1);
    const auto dy = normal<float>({rows, dim}, 1.0, 2);
    const Backward zero{Tensor<float>({rows, dim}), Tensor<float>({dim})};
    const auto run = [&](int threads) {
      const testing::ScopedThreads scoped(threads);
      return backward(ctx, dy, x, w, zero, false);
    };
    const Backward one = run(1);
    for (const int threads : {2, 7}) {
      const Backward many = run(threads);
      expect_bitwise_equal(many.dx, one.dx);
      expect_bitwise_equal(many.dw, one.dw);
    }
  });
}

TEST(RmsNormBackward, NanStaysInItsRow) {
  for_each_isa([](Ctx& ctx) {
    auto x = normal<float>({6, 17});
    const auto w = normal<float>({17}, 1.0, 1), dy = normal<float>({6, 17}, 1.0, 2);
    const Backward zero{Tensor<float>({6, 17}), Tensor<float>({17})};
    const Backward clean = backward(ctx, dy, x, w, zero, false);
    x[2 * 17 + 5] = std::numeric_limits<float>::quiet_NaN();
    const Backward r = backward(ctx, dy, x, w, zero, false);
    for (i64 i = 0; i < 6 * 17; ++i) {
      if (i / 17 == 2) {
        EXPECT_TRUE(std::isnan(r.dx[i]));
      } else {
        EXPECT_EQ(r.dx[i], clean.dx[i]);
      }
    }
    EXPECT_TRUE(std::isnan(r.dw[0]));
  });
}

TEST(RmsNorm, ShapeMismatchNamesBothShapes) {
  Ctx ctx = backend::make_context();
  Tensor<float> x({5, 8}), y({5, 9}), w({8});
  try {
    rmsnorm_forward(ctx, x.v<2>(), w.v<1>(), kEps, y.v<2>());
    FAIL() << "accepted";
  } catch (const InternalError& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("x [5, 8] vs y [5, 9]"));
  }
}

}  // namespace
}  // namespace fathom::ops
