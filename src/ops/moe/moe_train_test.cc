#include "ops/moe/moe_train.h"

#include <gmock/gmock.h>

#include <cmath>
#include <numeric>

#include "backend/backend.h"
#include "kernels/ref/moe_train.h"
#include "testing/expect.h"
#include "testing/expect_gradient.h"
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

ref::RouterRule rule_of(const RouterOptions& o) {
  return {.softmax = o.scoring_func == ScoringFunc::kSoftmax,
          .norm_topk_prob = o.norm_topk_prob,
          .routed_scaling_factor = static_cast<double>(o.routed_scaling_factor)};
}

/// Every kind of scores and weights.
std::vector<RouterOptions> all_options() {
  std::vector<RouterOptions> all;
  for (const ScoringFunc func : {ScoringFunc::kSoftmax, ScoringFunc::kSigmoid}) {
    for (const bool norm : {false, true}) {
      all.push_back({.scoring_func = func, .norm_topk_prob = norm, .routed_scaling_factor = 2.5f});
    }
  }
  return all;
}

std::string name_of(const RouterOptions& o) {
  return std::string(o.scoring_func == ScoringFunc::kSoftmax ? "softmax" : "sigmoid") +
         (o.norm_topk_prob ? ", normalised" : "");
}

/// topk different experts a token, some of them dropped.
Tensor<i32> choices(i64 tokens, i64 topk, i64 experts) {
  Tensor<i32> chosen({tokens, topk});
  for (i64 t = 0; t < tokens; ++t) {
    for (i64 j = 0; j < topk; ++j) {
      const bool dropped = (t * topk + j) % 7 == 6;
      chosen[t * topk + j] = dropped ? -1 : static_cast<i32>((t * 5 + j) % experts);
    }
  }
  return chosen;
}

TEST(RouterBackward, ReferenceIsTheGradient) {
  const i64 tokens = 4, experts = 6, topk = 3;
  for (const RouterOptions& options : all_options()) {
    const ref::RouterRule rule = rule_of(options);
    auto logits = normal<double>({tokens, experts});
    const auto chosen = choices(tokens, topk, experts);
    const auto dweights = normal<double>({tokens, topk}, 1.0, 1);
    const auto dnormalised = normal<double>({experts}, 1.0, 2);
    Tensor<double> scores({tokens, experts}), dlogits({tokens, experts});
    ref::router_scores<double>(logits.cv<2>(), rule.softmax, scores.v<2>());
    ref::router_backward<double>(scores.cv<2>(), chosen.v<2>(), dweights.v<2>(), rule,
                                 dnormalised.v<1>(), dlogits.v<2>());
    const auto loss = [&] {
      Tensor<double> s({tokens, experts}), weights({tokens, topk}), sums({experts});
      ref::router_scores<double>(logits.cv<2>(), rule.softmax, s.v<2>());
      ref::chosen_weights<double>(s.cv<2>(), chosen.v<2>(), rule, weights.v<2>());
      ref::sum_normalised_scores<double>(s.cv<2>(), sums.v<1>());
      return testing::dot(dweights, weights) + testing::dot(dnormalised, sums);
    };
    testing::expect_gradient(loss, logits, dlogits, name_of(options));
  }
}

// The weights whose gradient the reference checks are those that moe_route gives.
TEST(RouterBackward, TheReferenceHasTheWeightsOfMoeRoute) {
  for_each_isa([](Ctx& ctx) {
    for (RouterOptions options : all_options()) {
      options.topk_method = TopkMethod::kGreedy;
      const auto logits = normal<float>({9, 16});
      Tensor<i32> chosen({9, 4});
      Tensor<float> weights({9, 4});
      moe_route(ctx, logits.v<2>(), {}, options, chosen.v<2>(), weights.v<2>());
      Tensor<double> scores({9, 16}), want({9, 4});
      ref::router_scores<double>(logits.to<double>().cv<2>(), rule_of(options).softmax,
                                 scores.v<2>());
      ref::chosen_weights<double>(scores.cv<2>(), chosen.cv<2>(), rule_of(options), want.v<2>());
      expect_close(weights, want, {.rel = kMoeWeightRelTol}, name_of(options));
    }
  });
}

TEST(RouterBackward, EveryIsaMatchesReference) {
  for_each_isa([](Ctx& ctx) {
    for (const i64 experts : {1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 64, 127, 256}) {
      for (const RouterOptions& options : all_options()) {
        for (const bool balance : {false, true}) {
          const i64 tokens = 7, topk = std::min<i64>(experts, 6);
          const auto logits = normal<float>({tokens, experts}, 2.0);
          const auto dweights = normal<float>({tokens, topk}, 1.0, 1);
          const auto dnormalised = normal<float>({experts}, 1.0, 2);
          const auto chosen = choices(tokens, topk, experts);
          Tensor<float> scores({tokens, experts}), got({tokens, experts});
          for (i64 i = 0; i < got.size(); ++i) got[i] = kNan;  // overwritten
          router_scores(ctx, logits.v<2>(), options.scoring_func, scores.v<2>());
          const auto balance_view = balance ? dnormalised.v<1>() : View<const float, 1>();
          router_backward(ctx, scores.v<2>(), chosen.v<2>(), dweights.v<2>(), options, balance_view,
                          got.v<2>());
          const auto exact = dnormalised.to<double>();
          Tensor<double> exact_scores({tokens, experts}), want({tokens, experts});
          ref::router_scores<double>(logits.to<double>().cv<2>(), rule_of(options).softmax,
                                     exact_scores.v<2>());
          ref::router_backward<double>(
              exact_scores.cv<2>(), chosen.cv<2>(), dweights.to<double>().cv<2>(), rule_of(options),
              balance ? exact.v<1>() : View<const double, 1>(), want.v<2>());
          // With one expert, or all chosen and normalised, the gradient is 0 but for rounding.
          expect_close(got, want, {kRouterGradRelTol, 1e-6},
                       name_of(options) + " experts " + std::to_string(experts));
        }
      }
    }
  });
}

TEST(RouterBackward, ScoresThatAreZeroGiveNoNan) {
  for_each_isa([](Ctx& ctx) {
    for (const RouterOptions& options : all_options()) {
      Tensor<float> logits({1, 5}), scores({1, 5}), dlogits({1, 5}), dweights({1, 2}), dn({5});
      for (i64 e = 0; e < 5; ++e)
        logits[e] = options.scoring_func == ScoringFunc::kSigmoid ? -500.0f
                                                                  : -500.0f * static_cast<float>(e);
      dweights[0] = 1.0f;
      dweights[1] = -2.0f;
      dn[3] = 1.0f;
      Tensor<i32> chosen({1, 2});
      chosen[0] = 3;
      chosen[1] = 4;
      router_scores(ctx, logits.v<2>(), options.scoring_func, scores.v<2>());
      EXPECT_EQ(scores[3], 0.0f);
      router_backward(ctx, scores.v<2>(), chosen.v<2>(), dweights.v<2>(), options, dn.v<1>(),
                      dlogits.v<2>());
      for (i64 e = 0; e < 5; ++e) EXPECT_EQ(dlogits[e], 0.0f) << name_of(options);
    }
  });
}

TEST(RouterBackward, NanStaysInItsRowAndThreadsChangeNothing) {
  for_each_isa([](Ctx& ctx) {
    for (const RouterOptions& options : all_options()) {
      const i64 tokens = 300, experts = 33, topk = 4;
      auto logits = normal<float>({tokens, experts});
      logits[experts + 2] = kNan;
      const auto dweights = normal<float>({tokens, topk}, 1.0, 1);
      const auto dn = normal<float>({experts}, 1.0, 2);
      const auto chosen = choices(tokens, topk, experts);
      const auto run = [&](int threads) {
        const testing::ScopedThreads scoped(threads);
        Tensor<float> scores({tokens, experts}), dlogits({tokens, experts});
        router_scores(ctx, logits.v<2>(), options.scoring_func, scores.v<2>());
        router_backward(ctx, scores.v<2>(), chosen.v<2>(), dweights.v<2>(), options, dn.v<1>(),
                        dlogits.v<2>());
        return dlogits;
      };
      const auto one = run(1);
      for (i64 i = 0; i < one.size(); ++i) {
        ASSERT_EQ(std::isnan(one[i]), i / experts == 1) << i;
      }
      for (const int threads : {2, 7}) expect_bitwise_equal(run(threads), one);
    }
  });
}

TEST(RouterBackward, NamesAnExpertOutside) {
  Ctx ctx = backend::make_context();
  Tensor<float> scores({2, 5}), dlogits({2, 5}), dweights({2, 1});
  for (const i32 bad : {-2, 5}) {
    Tensor<i32> chosen({2, 1});
    chosen[1] = bad;
    try {
      router_backward(ctx, scores.v<2>(), chosen.v<2>(), dweights.v<2>(), {}, {}, dlogits.v<2>());
      FAIL() << "accepted " << bad;
    } catch (const InternalError& error) {
      EXPECT_THAT(error.what(),
                  ::testing::HasSubstr("expert " + std::to_string(bad) + " of token 1, of 5"));
    }
  }
}

// Where a token's weights come from: one choice, not normalised.
TEST(RouterScores, AreThoseOfMoeRoute) {
  for_each_isa([](Ctx& ctx) {
    for (const ScoringFunc func : {ScoringFunc::kSoftmax, ScoringFunc::kSigmoid}) {
      for (const i64 experts : {1, 7, 8, 9, 16, 17, 256}) {
        auto logits = normal<float>({3, experts}, 3.0);
        Tensor<float> scores({3, experts}), weights({3, experts});
        Tensor<i32> chosen({3, experts});
        const RouterOptions options{func, TopkMethod::kGreedy, 1, 1, false, 1.0f};
        moe_route(ctx, logits.v<2>(), {}, options, chosen.v<2>(), weights.v<2>());
        router_scores(ctx, logits.v<2>(), func, scores.v<2>());
        for (i64 i = 0; i < scores.size(); ++i) {
          EXPECT_EQ(scores[i / experts * experts + chosen[i]], weights[i]);
        }
        router_scores(ctx, logits.v<2>(), func, logits.v<2>());  // may alias
        expect_bitwise_equal(logits, scores);
      }
    }
  });
}

}  // namespace
}  // namespace fathom::ops
