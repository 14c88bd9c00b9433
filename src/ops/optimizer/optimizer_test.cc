#include "ops/optimizer/optimizer.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "backend/backend.h"
#include "kernels/ref/optimizer.h"
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
using testing::kInf;
using testing::kNan;
using testing::normal;
using testing::Tensor;

const i64 kSizes[] = {1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 1009, 16384, 16385, 70001};

TEST(SumOfSquares, EveryIsaIsTheSumInDouble) {
  for_each_isa([](Ctx& ctx) {
    for (const i64 size : kSizes) {
      for (const double scale : {1e-30, 1.0, 1e30}) {  // squares beyond f32 on both sides
        const auto x = normal<float>({size}, scale);
        double want = 0;
        for (i64 i = 0; i < size; ++i)
          want += static_cast<double>(x[i]) * static_cast<double>(x[i]);
        EXPECT_NEAR(sum_of_squares(ctx, x.v<1>()), want, 1e-13 * want) << size;
      }
    }
    EXPECT_EQ(sum_of_squares(ctx, {}), 0.0);
  });
}

TEST(SumOfSquares, ThreadsAndInstructionSetsChangeNothing) {
  const auto x = normal<float>({300007});
  double first = 0;
  for_each_isa([&](Ctx& ctx) {
    for (const int threads : {1, 2, 7}) {
      const testing::ScopedThreads scoped(threads);
      const double sum = sum_of_squares(ctx, x.v<1>());
      if (first == 0) first = sum;
      EXPECT_EQ(sum, first);
    }
  });
}

TEST(AllFinite, FindsOneNumberAnywhereAndSoDoesTheSum) {
  for_each_isa([](Ctx& ctx) {
    for (const i64 size : kSizes) {
      auto x = normal<float>({size});
      x[size / 2] = std::numeric_limits<float>::max();
      EXPECT_TRUE(all_finite(ctx, x.v<1>()));
      EXPECT_TRUE(std::isfinite(sum_of_squares(ctx, x.v<1>())));
      for (const i64 at : {i64{0}, size / 2, size - 1}) {
        for (const float bad : {kNan, kInf, -kInf}) {
          const float before = x[at];
          x[at] = bad;
          EXPECT_FALSE(all_finite(ctx, x.v<1>())) << bad << " at " << at << " of " << size;
          EXPECT_FALSE(std::isfinite(sum_of_squares(ctx, x.v<1>())));
          x[at] = before;
        }
      }
    }
  });
}

// Made by tools/make_adamw_golden.py.
constexpr i64 kGolden = 7;
constexpr float kGoldenStart[kGolden] = {1.0f, -2.0f, 0.5f, 0.25f, 10.0f, -0.01f, 3.0f};
constexpr float kGoldenGradients[3][kGolden] = {{0.5f, -0.25f, 1e-4f, 0.0f, 3.0f, -2.0f, 1e-9f},
                                                {0.1f, -0.5f, 2e-4f, 0.0f, -3.0f, -2.0f, 1e-9f},
                                                {-0.7f, 0.25f, -1e-4f, 1.0f, 0.5f, -2.0f, 0.0f}};
constexpr float kGoldenWeights[3][kGolden] = {
    {0.996699989f, -1.9964f, 0.496850312f, 0.249925002f, 9.99399948f, -0.00699700043f, 2.99882722f},
    {0.99396342f, -1.99292707f, 0.493827492f, 0.249850035f, 9.99115944f, -0.0039949012f,
     2.99765491f},
    {0.994115293f, -1.99106872f, 0.492418885f, 0.247905418f, 9.98805714f, -0.000993702328f,
     2.99658036f}};
constexpr float kGoldenM[kGolden] = {-0.0205000006f, -0.0402499996f, 1.60999989e-05f, 0.100000001f,
                                     0.0230000094f,  -0.541999996f,  1.71000006e-10f};
constexpr float kGoldenV[kGolden] = {0.03625625f,  0.0178203136f, 2.8512499e-09f, 0.0500000007f,
                                     0.846125007f, 0.570499957f,  9.26249967e-20f};

TEST(AdamW, IsTorchs) {
  for_each_isa([](Ctx& ctx) {
    Tensor<float> p({kGolden}), g({kGolden}), m({kGolden}), v({kGolden});
    std::copy_n(kGoldenStart, kGolden, p.data());
    AdamWOptions options{.lr = 3e-3, .weight_decay = 0.1, .grad_scale = 0.5f};
    for (i64 step = 0; step < 3; ++step) {
      for (i64 i = 0; i < kGolden; ++i)
        g[i] = 2.0f * kGoldenGradients[step][i];  // times grad_scale
      options.step = step + 1;
      adamw_step(ctx, p.v<1>(), g.v<1>(), m.v<1>(), v.v<1>(), options);
      for (i64 i = 0; i < kGolden; ++i) {
        const float want = kGoldenWeights[step][i];
        EXPECT_NEAR(p[i], want, 1e-6f * std::abs(want)) << "step " << step << ", " << i;
      }
    }
    for (i64 i = 0; i < kGolden; ++i) {
      EXPECT_NEAR(m[i], kGoldenM[i], 1e-6f * std::abs(kGoldenM[i]) + 1e-8f);
      EXPECT_NEAR(v[i], kGoldenV[i], 1e-6f * std::abs(kGoldenV[i]));
    }
  });
}

struct State {
  Tensor<float> p, g, m, v;
};
State random_state(i64 size) {
  State s{normal<float>({size}), normal<float>({size}, 0.1, 1), normal<float>({size}, 0.1, 2),
          normal<float>({size}, 0.1, 3)};
  for (i64 i = 0; i < size; ++i) s.v[i] *= s.v[i];
  return s;
}

template <typename Moment>
Tensor<double> reference_weights(const State& s, const Tensor<Moment>& m, const Tensor<Moment>& v,
                                 const AdamWOptions& o) {
  Tensor<double> p = s.p.to<double>();
  for (i64 i = 0; i < p.size(); ++i) {
    double m_i = static_cast<double>(static_cast<float>(m[i]));
    double v_i = static_cast<double>(static_cast<float>(v[i]));
    const double g = static_cast<double>(s.g[i]) * static_cast<double>(o.grad_scale);
    ref::adamw<double>(p[i], g, m_i, v_i, {o.lr, o.beta1, o.beta2, o.eps, o.weight_decay, o.step});
  }
  return p;
}

TEST(AdamW, EveryIsaMatchesReferenceOnAnyThreads) {
  for_each_isa([](Ctx& ctx) {
    const AdamWOptions options{.lr = 1e-2, .weight_decay = 0.1, .step = 5, .grad_scale = 0.3f};
    for (const i64 size : kSizes) {
      const State start = random_state(size);
      const auto want = reference_weights(start, start.m, start.v, options);
      State first;
      for (const int threads : {1, 2, 7}) {
        const testing::ScopedThreads scoped(threads);
        State s = start;
        adamw_step(ctx, s.p.v<1>(), s.g.v<1>(), s.m.v<1>(), s.v.v<1>(), options);
        if (threads == 1) {
          expect_close(s.p, want, {.rel = 2e-7}, std::to_string(size));
          first = s;
        }
        expect_bitwise_equal(s.p, first.p);
        expect_bitwise_equal(s.m, first.m);
        expect_bitwise_equal(s.v, first.v);
        expect_bitwise_equal(s.g, start.g);
      }
    }
  });
}

TEST(AdamW, Bf16MomentsAreRoundedToNearestAfterTheUpdate) {
  for_each_isa([](Ctx& ctx) {
    const AdamWOptions options{.lr = 1e-2, .weight_decay = 0.1, .step = 5};
    for (const i64 size : kSizes) {
      State s = random_state(size);
      const State start = s;
      Tensor<Bf16> m({size}), v({size});
      for (i64 i = 0; i < size; ++i) {
        m[i] = Bf16(s.m[i]);
        v[i] = Bf16(s.v[i]);
        s.m[i] = static_cast<float>(m[i]);
        s.v[i] = static_cast<float>(v[i]);
      }
      auto p = s.p;
      adamw_step(ctx, p.v<1>(), s.g.v<1>(), m.v<1>(), v.v<1>(), options);
      adamw_step(ctx, s.p.v<1>(), s.g.v<1>(), s.m.v<1>(), s.v.v<1>(), options);
      expect_bitwise_equal(p, s.p);  // the step itself uses what was not yet rounded
      for (i64 i = 0; i < size; ++i) {
        ASSERT_EQ(m[i].bits, Bf16(s.m[i]).bits) << i;
        ASSERT_EQ(v[i].bits, Bf16(s.v[i]).bits) << i;
      }
    }
  });
}

// Without gradients m and v shrink; in f32 alone they would stop at a few times 1.4e-45 for ever.
TEST(AdamW, MomentsWithoutGradientsReachZero) {
  for_each_isa([](Ctx& ctx) {
    Tensor<float> p({17}), g({17}), m({17}), v({17});
    for (i64 i = 0; i < 17; ++i) {
      m[i] = i % 2 == 0 ? 1e-30f : -1e-30f;
      v[i] = 1e-35f;
    }
    for (i64 step = 1; step <= 250; ++step) {
      adamw_step(ctx, p.v<1>(), g.v<1>(), m.v<1>(), v.v<1>(), {.lr = 1e-3, .step = step});
    }
    for (i64 i = 0; i < 17; ++i) {
      EXPECT_EQ(m[i], 0.0f);
      EXPECT_EQ(v[i], 0.0f);
      EXPECT_TRUE(std::isfinite(p[i]));
    }
  });
}

TEST(AdamW, NanStaysWithItsNumber) {
  for_each_isa([](Ctx& ctx) {
    State s = random_state(40);
    s.g[21] = kNan;
    adamw_step(ctx, s.p.v<1>(), s.g.v<1>(), s.m.v<1>(), s.v.v<1>(), {.lr = 0.1});
    for (i64 i = 0; i < 40; ++i) EXPECT_EQ(std::isnan(s.p[i]), i == 21) << i;
  });
}

TEST(AdamW, SizesMustAgree) {
  Ctx ctx = backend::make_context();
  Tensor<float> p({5}), g({4});
  try {
    adamw_step(ctx, p.v<1>(), g.v<1>(), p.v<1>(), p.v<1>(), {});
    FAIL() << "accepted";
  } catch (const InternalError& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("g [4], m [5] and v [5] vs p [5]"));
  }
}

TEST(Ema, EveryIsaMatchesTheFormulaAndKeepsWhatIsEqual) {
  for_each_isa([](Ctx& ctx) {
    for (const i64 size : kSizes) {
      const auto p = normal<float>({size}), start = normal<float>({size}, 1.0, 1);
      Tensor<double> want({size});
      for (i64 i = 0; i < size; ++i) {
        want[i] = 0.875 * static_cast<double>(start[i]) + 0.125 * static_cast<double>(p[i]);
      }
      for (const int threads : {1, 2, 7}) {
        const testing::ScopedThreads scoped(threads);
        auto average = start;
        ema_update(ctx, average.v<1>(), p.v<1>(), 0.875f);
        expect_close(average, want, {.rel = 1.5e-7}, std::to_string(size));
      }
      auto same = p;
      ema_update(ctx, same.v<1>(), p.v<1>(), 0.999f);
      expect_bitwise_equal(same, p);
    }
  });
}

}  // namespace
}  // namespace fathom::ops
