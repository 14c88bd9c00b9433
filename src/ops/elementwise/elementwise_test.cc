#include "ops/elementwise/elementwise.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "backend/backend.h"
#include "kernels/ref/elementwise.h"
#include "testing/expect.h"
#include "testing/for_each_isa.h"
#include "testing/special_values.h"
#include "testing/stored_weights.h"
#include "testing/tensor.h"

namespace fathom::ops {
namespace {

namespace ref = kernels::ref;
using testing::expect_bitwise_equal;
using testing::for_each_isa;
using testing::kInf;
using testing::normal;
using testing::StoredWeights;
using testing::Tensor;

TEST(SiluMul, EveryIsaMatchesReference) {
  for_each_isa([](Ctx& ctx) {
    for (const i64 dim : {1, 3, 4, 5, 8, 9, 15, 16, 17, 127, 1408}) {
      for (const double scale : {1e-3, 1.0, 30.0, 1e4}) {
        auto gate = normal<float>({3, dim}, scale), up = normal<float>({3, dim}, 1.0, 1);
        Tensor<float> y({3, dim});
        Tensor<double> want({3, dim});
        silu_mul_forward(ctx, gate.v<2>(), up.v<2>(), y.v<2>());
        const auto exact_gate = gate.to<double>(), exact_up = up.to<double>();
        ref::silu_mul_forward<double>(exact_gate.v<2>(), exact_up.v<2>(), want.v<2>());
        // Element by element: silu has no sum that could hide a small value behind a large one.
        for (i64 i = 0; i < y.size(); ++i) {
          ASSERT_NEAR(y[i], want[i], kSiluMulRelTol * std::abs(want[i]) + 1e-30)
              << "gate " << gate[i] << " up " << up[i];
        }
        auto alias = up;
        silu_mul_forward(ctx, gate.v<2>(), alias.v<2>(), alias.v<2>());
        expect_bitwise_equal(alias, y);
        silu_mul_forward(ctx, gate.v<2>(), up.v<2>(), gate.v<2>());
        expect_bitwise_equal(gate, y);
      }
    }
  });
}

TEST(SiluMul, Extremes) {
  for_each_isa([](Ctx& ctx) {
    Tensor<float> gate({1, 5}), up({1, 5}), y({1, 5});
    gate[0] = 200.0f;
    gate[1] = -200.0f;  // e^200 overflows: z / inf
    gate[2] = kInf;
    gate[3] = std::numeric_limits<float>::quiet_NaN();
    gate[4] = -0.0f;
    for (i64 i = 0; i < 5; ++i) up[i] = 2.0f;
    silu_mul_forward(ctx, gate.v<2>(), up.v<2>(), y.v<2>());
    EXPECT_EQ(y[0], 400.0f);
    EXPECT_EQ(y[1], 0.0f);
    EXPECT_EQ(y[2], kInf);
    EXPECT_TRUE(std::isnan(y[3]));
    EXPECT_EQ(y[4], 0.0f);
  });
}

TEST(Add, EveryIsaAddsExactly) {
  for_each_isa([](Ctx& ctx) {
    for (const i64 dim : {1, 4, 15, 16, 17, 100}) {
      auto x = normal<float>({2, dim + 3});
      const auto before = x, y = normal<float>({2, dim}, 1.0, 1);
      add_inplace(ctx, x.v<2>().slice(1, 1, dim), y.v<2>());
      for (i64 t = 0; t < 2; ++t) {
        for (i64 i = 0; i < dim + 3; ++i) {
          const bool inside = i >= 1 && i <= dim;
          const float want = before[t * (dim + 3) + i] + (inside ? y[t * dim + i - 1] : 0.0f);
          EXPECT_EQ(x[t * (dim + 3) + i], want);
        }
      }
    }
  });
}

TEST(ScaleRows, EachRowByItsOwnFactor) {
  for_each_isa([](Ctx& ctx) {
    for (const i64 dim : {1, 5, 16, 100}) {
      auto x = normal<float>({3, dim + 3});
      const auto before = x, scales = normal<float>({3}, 1.0, 1);
      scale_rows_inplace(ctx, x.v<2>().slice(1, 1, dim), scales.v<1>());
      for (i64 i = 0; i < x.size(); ++i) {
        const i64 row = i / (dim + 3), column = i % (dim + 3);
        const bool inside = column >= 1 && column <= dim;
        EXPECT_EQ(x[i], before[i] * (inside ? scales[row] : 1.0f));
      }
      EXPECT_THROW(scale_rows_inplace(ctx, x.v<2>(), scales.v<1>().slice(0, 0, 2)), InternalError);
    }
  });
}

TEST(AddBias, EveryRowGainsTheBias) {
  for_each_isa([](Ctx& ctx) {
    for (const i64 dim : {1, 4, 15, 16, 17, 100}) {
      auto x = normal<float>({3, dim + 2});
      const auto before = x, bias = normal<float>({dim}, 1.0, 1);
      add_bias_inplace(ctx, x.v<2>().slice(1, 1, dim), bias.v<1>());
      for (i64 t = 0; t < 3; ++t) {
        for (i64 i = 0; i < dim + 2; ++i) {
          const bool inside = i >= 1 && i <= dim;
          const float want = before[t * (dim + 2) + i] + (inside ? bias[i - 1] : 0.0f);
          EXPECT_EQ(x[t * (dim + 2) + i], want);
        }
      }
    }
  });
}

TEST(AddBias, GradientIsTheSumOfRowsForAnyThreadCount) {
  for_each_isa([](Ctx& ctx) {
    for (const i64 rows : {1, 2, 67}) {
      for (const i64 dim : {1, 15, 16, 17, 331}) {
        const auto dx = normal<float>({rows, dim});
        const auto before = normal<float>({dim}, 1.0, 1);
        auto dbias = before;
        add_bias_backward(ctx, dx.v<2>(), dbias.v<1>());
        for (i64 i = 0; i < dim; ++i) {
          double want = static_cast<double>(before[i]), size = std::abs(want);
          for (i64 t = 0; t < rows; ++t) {
            want += static_cast<double>(dx[t * dim + i]);
            size += std::abs(static_cast<double>(dx[t * dim + i]));
          }
          EXPECT_NEAR(static_cast<double>(dbias[i]), want, kBiasGradRelTol * size);
        }
        for (const int threads : {1, 2, 7}) {
          const testing::ScopedThreads scoped(threads);
          auto again = before;
          add_bias_backward(ctx, dx.v<2>(), again.v<1>());
          expect_bitwise_equal(again, dbias);
        }
      }
    }
  });
}

TEST(AddBias, NamesWrongShapes) {
  Ctx ctx = backend::make_context();
  Tensor<float> x({2, 4}), bias({3});
  EXPECT_THROW(add_bias_inplace(ctx, x.v<2>(), bias.v<1>()), InternalError);
  EXPECT_THROW(add_bias_backward(ctx, x.v<2>(), bias.v<1>()), InternalError);
  EXPECT_THROW(add_bias_backward(ctx, x.v<2>().slice(1, 0, 3), bias.v<1>()), InternalError);
}

TEST(Embedding, RowsOfEveryStoredType) {
  for_each_isa([](Ctx& ctx) {
    for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF8E4M3}) {
      const StoredWeights table(normal<float>({131, 137}), dtype);
      const auto exact = table.exact();
      Tensor<i32> ids({3});
      ids[0] = 130;
      ids[2] = 77;
      Tensor<float> out({3, 137});
      embedding_forward(ctx, table.ref(), ids.v<1>(), out.v<2>());
      for (i64 t = 0; t < 3; ++t) {
        for (i64 i = 0; i < 137; ++i) {  // one product, correctly rounded
          EXPECT_EQ(out[t * 137 + i], static_cast<float>(exact[ids[t] * 137 + i]));
        }
      }
    }
  });
}

TEST(Embedding, NamesAnIdOutside) {
  Ctx ctx = backend::make_context();
  const StoredWeights table(normal<float>({5, 4}), DType::kF32);
  Tensor<i32> ids({2});
  Tensor<float> out({2, 4});
  for (const i32 bad : {-1, 5}) {
    ids[1] = bad;
    try {
      embedding_forward(ctx, table.ref(), ids.v<1>(), out.v<2>());
      FAIL() << "accepted " << bad;
    } catch (const InternalError& error) {
      EXPECT_THAT(error.what(),
                  ::testing::HasSubstr("id " + std::to_string(bad) + " at 1 of table [5, 4]"));
    }
  }
}

TEST(TokenLogProbs, EveryIsaMatchesReference) {
  for_each_isa([](Ctx& ctx) {
    for (const i64 vocab : {1, 2, 15, 16, 17, 255, 256, 257, 129280}) {
      for (const double scale : {0.01, 1.0, 25.0}) {
        const auto logits = normal<float>({2, vocab}, scale);
        Tensor<i32> targets({2});
        targets[1] = static_cast<i32>(vocab - 1);
        Tensor<double> out({2}), want({2});
        token_log_probs(ctx, logits.v<2>(), targets.v<1>(), out.v<1>());
        ref::token_log_probs<float>(logits.v<2>(), targets.v<1>(), want.v<1>());
        EXPECT_NEAR(out[0], want[0], kTokenLogProbsAbsTol) << vocab << " scale " << scale;
        EXPECT_NEAR(out[1], want[1], kTokenLogProbsAbsTol) << vocab << " scale " << scale;
      }
    }
  });
}

TEST(TokenLogProbs, MaskedAndHugeLogits) {
  for_each_isa([](Ctx& ctx) {
    Tensor<float> logits({2, 19});
    for (i64 i = 0; i < 19; ++i) logits[i] = i < 4 ? 3e38f : -kInf;  // four equal, the rest masked
    logits[19 + 3] = std::numeric_limits<float>::quiet_NaN();
    Tensor<i32> targets({2});
    Tensor<double> out({2});
    token_log_probs(ctx, logits.v<2>(), targets.v<1>(), out.v<1>());
    EXPECT_NEAR(out[0], -std::log(4.0), 1e-7);
    EXPECT_TRUE(std::isnan(out[1]));
    targets[0] = 18;
    token_log_probs(ctx, logits.v<2>(), targets.v<1>(), out.v<1>());
    EXPECT_EQ(out[0], -static_cast<double>(kInf));
  });
}

}  // namespace
}  // namespace fathom::ops
