#include "ops/loss/cross_entropy.h"

#include <gmock/gmock.h>

#include <cmath>

#include "backend/backend.h"
#include "kernels/ref/cross_entropy.h"
#include "ops/elementwise/elementwise.h"
#include "testing/expect.h"
#include "testing/expect_gradient.h"
#include "testing/for_each_isa.h"
#include "testing/special_values.h"
#include "testing/tensor.h"

namespace fathom::ops {
namespace {

namespace ref = kernels::ref;
using testing::expect_bitwise_equal;
using testing::for_each_isa;
using testing::kInf;
using testing::kNan;
using testing::normal;
using testing::Tensor;

struct Loss {
  Tensor<float> dlogits;
  Tensor<double> nll;
  Tensor<i32> largest;
};

Loss loss_of(Ctx& ctx, const Tensor<float>& logits, const Tensor<i32>& targets,
             float grad_scale = 1.0f) {
  Loss r{logits, Tensor<double>({logits.dim(0)}), Tensor<i32>({logits.dim(0)})};
  cross_entropy_inplace(ctx, r.dlogits.v<2>(), targets.v<1>(), grad_scale, r.nll.v<1>(),
                        r.largest.v<1>());
  return r;
}

TEST(CrossEntropy, ReferenceIsTheGradient) {
  auto logits = normal<double>({4, 6}, 2.0);
  Tensor<i32> targets({4});
  targets[0] = 5;
  targets[1] = -1;
  targets[3] = 2;
  Tensor<double> dlogits({4, 6});
  ref::cross_entropy_backward<double>(logits.cv<2>(), targets.v<1>(), 0.25, dlogits.v<2>());
  const auto loss = [&] {
    return 0.25 * ref::cross_entropy<double>(logits.cv<2>(), targets.v<1>());
  };
  testing::expect_gradient(loss, logits, dlogits);
}

TEST(CrossEntropy, EveryIsaMatchesReference) {
  for_each_isa([](Ctx& ctx) {
    for (const i64 vocab :
         {1, 2, 3, 4, 5, 8, 15, 16, 17, 63, 64, 65, 255, 256, 257, 8192, 129280}) {
      for (const double scale : {0.01, 1.0, 25.0}) {
        const auto logits = normal<float>({3, vocab}, scale);
        Tensor<i32> targets({3});
        targets[1] = static_cast<i32>(vocab - 1);
        targets[2] = -100;
        const float grad_scale = 1.0f / 3.0f;
        const Loss got = loss_of(ctx, logits, targets, grad_scale);
        Tensor<double> want({3, vocab});
        ref::cross_entropy_backward<double>(logits.to<double>().cv<2>(), targets.v<1>(),
                                            static_cast<double>(grad_scale), want.v<2>());
        const std::string what = std::to_string(vocab) + " scale " + std::to_string(scale);
        for (i64 i = 0; i < want.size(); ++i) {  // each by itself: most are tiny
          const bool is_target = i % vocab == std::max(targets[i / vocab], 0);
          const double size = is_target ? static_cast<double>(grad_scale) : std::abs(want[i]);
          ASSERT_NEAR(got.dlogits[i], want[i], kCrossEntropyRelTol * size + 1e-37) << what << i;
        }
        // The loss has the bits of token_log_probs.
        Tensor<double> log_probs({2});
        token_log_probs(ctx, logits.v<2>().slice(0, 0, 2), targets.v<1>().slice(0, 0, 2),
                        log_probs.v<1>());
        EXPECT_EQ(got.nll[0], -log_probs[0]) << what;
        EXPECT_EQ(got.nll[1], -log_probs[1]) << what;
        EXPECT_EQ(got.nll[2], 0.0) << what;
      }
    }
  });
}

TEST(CrossEntropy, NanAndInfinityStayInTheirRows) {
  for_each_isa([](Ctx& ctx) {
    auto logits = normal<float>({5, 19});
    Tensor<i32> targets({5});
    const Loss clean = loss_of(ctx, logits, targets);
    logits[19 + 3] = kNan;
    logits[2 * 19 + 18] = kInf;
    for (i64 v = 0; v < 19; ++v) logits[3 * 19 + v] = -kInf;
    logits[4 * 19 + 2] = kNan;
    targets[4] = -1;  // no target: nothing of the row is read
    const Loss got = loss_of(ctx, logits, targets);
    for (i64 v = 0; v < 19; ++v) {
      EXPECT_EQ(got.dlogits[v], clean.dlogits[v]);
      EXPECT_TRUE(std::isnan(got.dlogits[19 + v]));
      EXPECT_TRUE(std::isnan(got.dlogits[2 * 19 + v]));
      EXPECT_TRUE(std::isnan(got.dlogits[3 * 19 + v]));
      EXPECT_EQ(got.dlogits[4 * 19 + v], 0.0f);
    }
    EXPECT_EQ(got.nll[0], clean.nll[0]);
    EXPECT_TRUE(std::isnan(got.nll[1]) && std::isnan(got.nll[2]) && std::isnan(got.nll[3]));
    EXPECT_EQ(got.nll[4], 0.0);
  });
}

TEST(CrossEntropy, MaskedAndHugeLogits) {
  for_each_isa([](Ctx& ctx) {
    Tensor<float> logits({1, 19});
    for (i64 i = 0; i < 19; ++i) logits[i] = i < 4 ? 3e38f : -kInf;  // four equal, the rest masked
    Tensor<i32> targets({1});
    targets[0] = 1;
    const Loss got = loss_of(ctx, logits, targets, 8.0f);
    EXPECT_NEAR(got.nll[0], std::log(4.0), 1e-7);
    EXPECT_EQ(got.dlogits[0], 2.0f);
    EXPECT_EQ(got.dlogits[1], -6.0f);
    EXPECT_EQ(got.dlogits[4], 0.0f);
  });
}

TEST(CrossEntropy, NamesTheArgMax) {
  for_each_isa([](Ctx& ctx) {
    const i64 vocab = 600;  // three blocks of the search
    Tensor<float> logits({5, vocab});
    logits[530] = 2.0f;
    logits[vocab + 530] = 2.0f;  // a tie: the lowest
    logits[vocab + 4] = 2.0f;
    logits[3 * vocab + 599] = 3.0f;  // without a target
    for (i64 v = 0; v < vocab; ++v) logits[4 * vocab + v] = kNan;
    Tensor<i32> targets({5});
    targets[0] = targets[1] = targets[2] = targets[4] = 30;
    targets[3] = -1;
    const Loss got = loss_of(ctx, logits, targets);
    EXPECT_EQ(got.largest[0], 530);
    EXPECT_EQ(got.largest[1], 4);
    EXPECT_EQ(got.largest[2], 0);
    EXPECT_EQ(got.largest[3], -1);
    EXPECT_EQ(got.largest[4], -1);
  });
}

TEST(CrossEntropy, ThreadsChangeNothingAndRowsMayBeStrided) {
  for_each_isa([](Ctx& ctx) {
    const i64 rows = 40, vocab = 700;
    const auto logits = normal<float>({rows, vocab + 5});
    Tensor<i32> targets({rows});
    for (i64 t = 0; t < rows; ++t) targets[t] = static_cast<i32>(t * 17 - 20);
    const auto run = [&](int threads) {
      const testing::ScopedThreads scoped(threads);
      auto x = logits;
      Tensor<double> nll({rows});
      cross_entropy_inplace(ctx, x.v<2>().slice(1, 3, vocab), targets.v<1>(), 0.1f, nll.v<1>());
      return x;
    };
    const auto one = run(1);
    for (i64 t = 0; t < rows; ++t) {
      for (const i64 outside : {i64{0}, i64{1}, i64{2}, vocab + 3, vocab + 4}) {
        EXPECT_EQ(one[t * (vocab + 5) + outside], logits[t * (vocab + 5) + outside]);
      }
    }
    for (const int threads : {2, 7}) expect_bitwise_equal(run(threads), one);
  });
}

TEST(CrossEntropy, NamesATargetOutside) {
  Ctx ctx = backend::make_context();
  Tensor<float> logits({2, 5});
  Tensor<i32> targets({2});
  targets[1] = 5;
  Tensor<double> nll({2});
  try {
    cross_entropy_inplace(ctx, logits.v<2>(), targets.v<1>(), 1.0f, nll.v<1>());
    FAIL() << "accepted";
  } catch (const InternalError& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("target 5 at 1 of logits [2, 5]"));
  }
}

}  // namespace
}  // namespace fathom::ops
