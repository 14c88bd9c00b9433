#include <gmock/gmock.h>

#include <cmath>

#include "backend/backend.h"
#include "kernels/ref/moe.h"
#include "ops/moe/moe.h"
#include "testing/expect.h"
#include "testing/for_each_isa.h"
#include "testing/special_values.h"
#include "testing/tensor.h"

namespace fathom::ops {
namespace {

namespace ref = kernels::ref;
using ::testing::ElementsAre;
using testing::for_each_isa;
using testing::kNan;
using testing::normal;
using testing::Tensor;

/// The routing of one token.
struct Routed {
  std::vector<i32> indices;
  std::vector<float> weights;
};

Routed route(Ctx& ctx, const std::vector<float>& logits, const std::vector<float>& bias,
             const RouterOptions& options, i64 topk) {
  const i64 experts = std::ssize(logits);
  Routed r{std::vector<i32>(static_cast<size_t>(topk)),
           std::vector<float>(static_cast<size_t>(topk))};
  View<const float, 1> bias_view;
  if (!bias.empty()) bias_view = {bias.data(), {experts}};
  moe_route(ctx, {logits.data(), {1, experts}}, bias_view, options, {r.indices.data(), {1, topk}},
            {r.weights.data(), {1, topk}});
  return r;
}

/// The logits whose sigmoids are `scores`.
std::vector<float> logits_of(const std::vector<double>& scores) {
  std::vector<float> logits;
  for (const double s : scores) logits.push_back(static_cast<float>(std::log(s / (1.0 - s))));
  return logits;
}

struct Case {
  i64 experts, topk;
  RouterOptions options;
  bool bias;
};

const Case kCases[] = {
    {256, 8, {.n_group = 8, .topk_group = 4, .routed_scaling_factor = 2.5f}, true},   // V3
    {64, 6, {.n_group = 1, .topk_group = 1, .routed_scaling_factor = 2.446f}, true},  // Moonlight
    {160, 6, {ScoringFunc::kSoftmax, TopkMethod::kGroupLimitedGreedy, 8, 3, false, 16.0f}, false},
    {64, 6, {ScoringFunc::kSoftmax, TopkMethod::kGreedy, 1, 1, false, 1.0f}, false},  // V2-Lite
    {17, 3, {ScoringFunc::kSoftmax, TopkMethod::kGreedy, 1, 1, true, 1.0f}, false},
    {7, 7, {.n_group = 7, .topk_group = 7}, true},
    {1, 1, {}, true}};

TEST(MoeRoute, EveryIsaMatchesReference) {
  for_each_isa([](Ctx& ctx) {
    for (const Case& c : kCases) {
      const RouterOptions& o = c.options;
      const i64 tokens = 40;
      const auto logits = normal<float>({tokens, c.experts}),
                 bias = normal<float>({c.experts}, .1, 1);
      Tensor<i32> indices({tokens, c.topk});
      Tensor<float> weights({tokens, c.topk});
      moe_route(ctx, logits.v<2>(), c.bias ? bias.v<1>() : View<const float, 1>(), o,
                indices.v<2>(), weights.v<2>());
      const ref::RouterRule rule{
          .softmax = o.scoring_func == ScoringFunc::kSoftmax,
          .n_group = o.n_group,
          .topk_group = o.topk_group,
          .group_sum_top2 = o.topk_method == TopkMethod::kNoauxTc,
          .norm_topk_prob = o.norm_topk_prob,
          .routed_scaling_factor = static_cast<double>(o.routed_scaling_factor)};
      for (i64 t = 0; t < tokens; ++t) {
        const float* row = logits.data() + t * c.experts;
        const std::vector<double> z(row, row + c.experts);
        const std::vector<double> b(bias.data(), bias.data() + (c.bias ? c.experts : 0));
        const auto want = ref::moe_route<double>(z, b, rule, c.topk);
        for (i64 j = 0; j < c.topk; ++j) {
          const auto& [expert, weight] = want[static_cast<size_t>(j)];
          ASSERT_EQ(indices[t * c.topk + j], expert) << c.experts << " experts, token " << t;
          ASSERT_NEAR(weights[t * c.topk + j], weight, kMoeWeightRelTol * weight);
        }
      }
    }
  });
}

// Reference §13: group sums 1.0, 1.2, 0.8, 1.05 keep groups 1 and 3, although expert 0 is the best.
TEST(MoeRoute, GroupsAreChosenByTheSumOfTheirTwoBest) {
  for_each_isa([](Ctx& ctx) {
    const auto logits = logits_of({.9, .1, .6, .6, .8, .01, .5, .55});
    const RouterOptions options{.n_group = 4, .topk_group = 2};
    EXPECT_THAT(route(ctx, logits, {}, options, 2).indices, ElementsAre(2, 3));
    // V2 takes a group's largest score: groups 0 and 2.
    RouterOptions v2 = options;
    v2.topk_method = TopkMethod::kGroupLimitedGreedy;
    EXPECT_THAT(route(ctx, logits, {}, v2, 2).indices, ElementsAre(0, 4));
  });
}

TEST(MoeRoute, BiasChoosesButIsNoWeight) {
  for_each_isa([](Ctx& ctx) {
    const auto logits = logits_of({.5, .25, .75, .5});
    const RouterOptions options{.routed_scaling_factor = 2.0f};
    const Routed r = route(ctx, logits, {0.0f, 1.0f, 0.0f, 0.0f}, options, 2);
    EXPECT_THAT(r.indices, ElementsAre(1, 2));    // biased 1.25 and 0.75
    EXPECT_NEAR(r.weights[0], 2.0 * 0.25, 1e-6);  // 0.25 / (0.25 + 0.75), unbiased
    EXPECT_NEAR(r.weights[1], 2.0 * 0.75, 1e-6);
  });
}

// A bias below -score makes every kept score negative; a dropped group must still not win, as it
// would if it were masked with 0 (reference §1.7).
TEST(MoeRoute, DroppedGroupsAreMaskedWithMinusInfinity) {
  for_each_isa([](Ctx& ctx) {
    const auto logits = logits_of({.9, .8, .3, .3});
    const RouterOptions options{.n_group = 2, .topk_group = 1};
    const std::vector<float> bias = {-1.0f, -2.0f, -1.9f, -1.9f};
    // Sums: (-0.1 - 1.2) = -1.3 against -3.2: group 0, both of its scores negative.
    EXPECT_THAT(route(ctx, logits, bias, options, 2).indices, ElementsAre(0, 1));
  });
}

TEST(MoeRoute, TiesTakeTheLowestIndex) {
  for_each_isa([](Ctx& ctx) {
    const std::vector<float> equal(32, 0.25f);
    const RouterOptions options{.n_group = 8, .topk_group = 2};
    EXPECT_THAT(route(ctx, equal, {}, options, 6).indices, ElementsAre(0, 1, 2, 3, 4, 5));
    std::vector<float> two = equal;
    two[9] = two[30] = 1.0f;
    EXPECT_THAT(route(ctx, two, {}, {}, 3).indices, ElementsAre(9, 30, 0));
  });
}

// A greedy router has no groups, whatever the config says of them.
TEST(MoeRoute, GreedyIgnoresGroups) {
  for_each_isa([](Ctx& ctx) {
    const std::vector<float> logits = {9, 1, 8, 1, 7, 1, 6, 1};
    const RouterOptions options = {ScoringFunc::kSoftmax, TopkMethod::kGreedy, 4, 1, false, 1.0f};
    EXPECT_THAT(route(ctx, logits, {}, options, 3).indices, ElementsAre(0, 2, 4));
  });
}

TEST(MoeRoute, NanNeverWinsAndExtremesAreOrdered) {
  for_each_isa([](Ctx& ctx) {
    const std::vector<float> logits = {kNan, -200.0f, 3.0f, kNan, 100.0f, -3.0f};
    const RouterOptions options{.norm_topk_prob = false};
    const Routed r = route(ctx, logits, {}, options, 4);
    EXPECT_THAT(r.indices, ElementsAre(4, 2, 5, 1));
    EXPECT_EQ(r.weights[0], 1.0f);
    EXPECT_EQ(r.weights[3], 0.0f);
    // Nothing but NaN: the indices are still experts, each once.
    EXPECT_THAT(route(ctx, {kNan, kNan, kNan}, {}, options, 2).indices, ElementsAre(0, 1));
    RouterOptions groups = options;  // a NaN does not carry its group either
    groups.n_group = 3;
    EXPECT_THAT(route(ctx, logits, {}, groups, 2).indices, ElementsAre(4, 5));
  });
}

TEST(MoeRoute, ZeroScoresDoNotDivideByZero) {
  for_each_isa([](Ctx& ctx) {
    const Routed r = route(ctx, {-500.0f, -500.0f, -500.0f}, {}, {}, 2);
    EXPECT_THAT(r.weights, ElementsAre(0.0f, 0.0f));
  });
}

TEST(MoeRoute, RefusesOptionsThatDoNotFit) {
  Ctx ctx = backend::make_context();
  const std::vector<float> logits(10, 0.0f);
  const auto message = [&](const RouterOptions& options, i64 topk, const std::vector<float>& bias) {
    try {
      route(ctx, logits, bias, options, topk);
    } catch (const InternalError& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  using ::testing::HasSubstr;
  EXPECT_THAT(message({.n_group = 3}, 1, {}), HasSubstr("10 experts in 3 groups"));
  EXPECT_THAT(message({.n_group = 5, .topk_group = 2}, 5, {}),
              HasSubstr("topk 5 from 2 of 5 groups of 10 experts"));
  EXPECT_THAT(message({}, 11, {}), HasSubstr("topk 11 of 10 experts"));
  EXPECT_THAT(message({.topk_method = TopkMethod::kGreedy}, 1, logits), HasSubstr("noaux_tc"));
}

}  // namespace
}  // namespace fathom::ops
