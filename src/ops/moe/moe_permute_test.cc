#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "backend/backend.h"
#include "kernels/ref/moe_train.h"
#include "ops/moe/moe_train.h"
#include "testing/expect.h"
#include "testing/expect_gradient.h"
#include "testing/for_each_isa.h"
#include "testing/special_values.h"
#include "testing/tensor.h"

namespace fathom::ops {
namespace {

namespace ref = kernels::ref;
using ::testing::ElementsAre;
using testing::expect_bitwise_equal;
using testing::expect_close;
using testing::for_each_isa;
using testing::kNan;
using testing::normal;
using testing::Tensor;

TEST(CountExperts, SkipsWhatWasDropped) {
  Tensor<i32> chosen({3, 2});
  const std::vector<i32> values = {3, 0, -1, 3, 2, -1};
  std::copy(values.begin(), values.end(), chosen.data());
  std::vector<i64> counts = {10, 0, 0, 0};
  Ctx ctx = backend::make_context();
  count_experts(ctx, chosen.v<2>(), {counts.data(), {4}});
  EXPECT_THAT(counts, ElementsAre(11, 0, 1, 2));
}

TEST(CountDistinctExperts, CountsEachOnce) {
  Ctx ctx = backend::make_context();
  Tensor<i32> chosen({3, 2});
  const std::vector<i32> values = {3, 0, -1, 3, 2, -1};
  std::copy(values.begin(), values.end(), chosen.data());
  EXPECT_EQ(count_distinct_experts(ctx, chosen.v<2>(), 4), 3);
}

TEST(CountRawTopk, TiesTakeTheLowestIndexAndNanNeverWins) {
  for_each_isa([](Ctx& ctx) {
    Tensor<float> scores({4, 20});
    for (i64 e = 0; e < 20; ++e) scores[e] = 0.5f;              // all tie: 0, 1
    scores[20 + 19] = scores[20 + 4] = scores[20 + 17] = 0.7f;  // 4, 17
    scores[40] = kNan;                                          // 1, 18
    scores[40 + 18] = 0.1f;
    for (i64 e = 0; e < 20; ++e) scores[60 + e] = e == 16 ? 0.2f : e == 19 ? 0.1f : kNan;
    std::vector<i64> counts(20, 1);
    count_raw_topk(ctx, scores.v<2>(), 2, {counts.data(), {20}});
    std::vector<i64> want(20, 1);
    for (const size_t e : {0u, 1u, 4u, 17u, 1u, 18u, 16u, 19u}) ++want[e];
    EXPECT_EQ(counts, want);
  });
}

TEST(CountRawTopk, EveryIsaCountsWhatASortGives) {
  for_each_isa([](Ctx& ctx) {
    for (const i64 experts : {1, 3, 4, 5, 8, 9, 15, 16, 17, 33, 256}) {
      for (const i64 topk : {i64{1}, std::min<i64>(experts, 8), experts}) {
        const i64 tokens = 50;
        auto scores = normal<float>({tokens, experts});
        for (i64 i = 0; i < scores.size(); ++i) scores[i] = std::round(4 * scores[i]);  // many ties
        std::vector<i64> want(static_cast<size_t>(experts), 5);
        for (i64 t = 0; t < tokens; ++t) {
          std::vector<i64> order(static_cast<size_t>(experts));
          std::iota(order.begin(), order.end(), i64{0});
          const float* s = scores.data() + t * experts;
          std::stable_sort(order.begin(), order.end(), [&](i64 a, i64 b) { return s[a] > s[b]; });
          for (i64 j = 0; j < topk; ++j) ++want[static_cast<size_t>(order[static_cast<size_t>(j)])];
        }
        for (const int threads : {1, 2, 7}) {
          const testing::ScopedThreads scoped(threads);
          std::vector<i64> counts(static_cast<size_t>(experts), 5);
          count_raw_topk(ctx, scores.v<2>(), topk, {counts.data(), {experts}});
          EXPECT_EQ(counts, want) << experts << " experts, topk " << topk;
        }
      }
    }
  });
}

TEST(SumNormalisedScores, IsTheReference) {
  Ctx ctx = backend::make_context();
  for (const i64 experts : {1, 5, 64}) {
    auto scores = normal<float>({40, experts});
    for (i64 i = 0; i < scores.size(); ++i) scores[i] = std::abs(scores[i]);
    for (i64 e = 0; e < experts; ++e) scores[e] = 0.0f;  // a token whose scores are all 0 adds 0
    Tensor<double> sums({experts}), want({experts});
    for (i64 e = 0; e < experts; ++e) sums[e] = want[e] = static_cast<double>(e);
    sum_normalised_scores(ctx, scores.v<2>(), sums.v<1>());
    ref::sum_normalised_scores<double>(scores.to<double>().cv<2>(), want.v<1>());
    expect_close(sums, want, {.rel = 1e-14});
  }
}

TEST(RouterEntropy, EveryIsaMatchesReference) {
  for_each_isa([](Ctx& ctx) {
    for (const i64 experts : {1, 2, 3, 4, 5, 8, 9, 15, 16, 17, 64, 256}) {
      for (const ScoringFunc func : {ScoringFunc::kSoftmax, ScoringFunc::kSigmoid}) {
        for (const double scale : {0.0, 1.0, 10.0, 40.0}) {  // even, to one expert alone
          const i64 tokens = 60;
          const auto logits = normal<float>({tokens, experts}, scale);
          Tensor<float> scores({tokens, experts});
          router_scores(ctx, logits.v<2>(), func, scores.v<2>());
          const double want = ref::router_entropy<double>(scores.to<double>().cv<2>());
          const double one = router_entropy(ctx, scores.v<2>());
          EXPECT_NEAR(one, want, kRouterEntropyAbsTol * tokens) << experts << " scale " << scale;
          for (const int threads : {2, 7}) {
            const testing::ScopedThreads scoped(threads);
            EXPECT_EQ(router_entropy(ctx, scores.v<2>()), one);
          }
        }
      }
    }
    Tensor<float> scores({1, 20});
    EXPECT_EQ(router_entropy(ctx, scores.v<2>()), 0.0);
    for (i64 e = 0; e < 20; ++e) scores[e] = 0.25f;
    EXPECT_NEAR(router_entropy(ctx, scores.v<2>()), std::log(20.0), kRouterEntropyAbsTol);
    scores[18] = kNan;
    EXPECT_TRUE(std::isnan(router_entropy(ctx, scores.v<2>())));
  });
}

/// Storage of PermutedRows.
struct Grouped {
  Grouped(const Tensor<i32>& chosen, i64 experts)
      : offsets({experts + 1}),
        tokens({chosen.size()}),
        slots({chosen.size()}),
        row_of(chosen.dims()) {
    Ctx ctx = backend::make_context();
    group_by_expert(ctx, chosen.v<2>(), rows());
  }
  PermutedRows rows() { return {offsets.v<1>(), tokens.v<1>(), slots.v<1>(), row_of.v<2>()}; }
  i64 count() const { return offsets[offsets.size() - 1]; }

  Tensor<i32> offsets, tokens, slots, row_of;
};

Tensor<i32> random_choices(i64 tokens, i64 topk, i64 experts) {
  Tensor<i32> chosen({tokens, topk});
  const Philox rng(7, 7);
  for (i64 t = 0; t < tokens; ++t) {
    std::vector<std::pair<double, i32>> order;
    for (i64 e = 0; e < experts; ++e) {
      order.emplace_back(rng.uniform(static_cast<u64>(t * experts + e)), static_cast<i32>(e));
    }
    std::sort(order.begin(), order.end());
    for (i64 j = 0; j < topk; ++j) {
      const auto& [key, expert] = order[static_cast<size_t>(j)];
      chosen[t * topk + j] = key < 0.05 ? -1 : expert;
    }
  }
  return chosen;
}

TEST(GroupByExpert, RowsRiseByExpertThenToken) {
  Tensor<i32> chosen({4, 2});
  const std::vector<i32> values = {2, 0, 2, -1, 0, 2, -1, -1};
  std::copy(values.begin(), values.end(), chosen.data());
  Grouped g(chosen, 4);
  const auto all = [](const Tensor<i32>& x, i64 n) {
    return std::vector<i32>(x.data(), x.data() + n);
  };
  EXPECT_THAT(all(g.offsets, 5), ElementsAre(0, 2, 2, 5, 5));
  EXPECT_THAT(all(g.tokens, 5), ElementsAre(0, 2, 0, 1, 2));
  EXPECT_THAT(all(g.slots, 5), ElementsAre(1, 0, 0, 0, 1));
  EXPECT_THAT(all(g.row_of, 8), ElementsAre(2, 0, 3, -1, 1, 4, -1, -1));
}

TEST(PermuteWeights, GoThereAndBackButForDroppedOnes) {
  Ctx ctx = backend::make_context();
  const auto chosen = random_choices(12, 3, 7);
  Grouped g(chosen, 7);
  const auto weights = normal<float>({12, 3});
  Tensor<float> permuted({g.count()}), back({12, 3});
  permute_weights(ctx, weights.v<2>(), g.rows(), permuted.v<1>());
  for (i64 r = 0; r < g.count(); ++r) {
    EXPECT_EQ(permuted[r], weights[g.tokens[r] * 3 + g.slots[r]]);
  }
  unpermute_weights(ctx, permuted.v<1>(), g.rows(), back.v<2>());
  for (i64 i = 0; i < back.size(); ++i) EXPECT_EQ(back[i], chosen[i] < 0 ? 0.0f : weights[i]);
}

TEST(GroupByExpert, NamesAnExpertOutside) {
  Tensor<i32> chosen({2, 1});
  chosen[1] = 3;
  try {
    const Grouped g(chosen, 3);
    FAIL() << "accepted";
  } catch (const InternalError& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("expert 3 of token 1, of 3"));
  }
}

TEST(CombineRows, NamesARowOutside) {
  Tensor<i32> chosen({2, 1});
  Grouped g(chosen, 3);
  Tensor<float> x({2, 4}), y({2, 4});
  g.row_of[1] = 2;
  Ctx ctx = backend::make_context();
  try {
    combine_rows(ctx, x.v<2>(), g.rows(), chosen.v<2>(), {}, /*accumulate=*/false, y.v<2>());
    FAIL() << "accepted";
  } catch (const InternalError& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("row 2 of token 1, of 2"));
  }
}

TEST(CombineRows, ReferenceBackwardIsTheGradient) {
  const auto chosen = random_choices(5, 3, 7);
  Grouped g(chosen, 7);
  auto x = normal<double>({g.count(), 4}), weights = normal<double>({5, 3}, 1.0, 1);
  const auto dy = normal<double>({5, 4}, 1.0, 2);
  Tensor<double> dx(x.dims()), dweights({5, 3});
  ref::combine_rows_backward<double>(dy.v<2>(), x.cv<2>(), g.row_of.cv<2>(), weights.cv<2>(),
                                     dx.v<2>(), dweights.v<2>());
  const auto loss = [&] {
    Tensor<double> y({5, 4});
    ref::combine_rows<double>(x.cv<2>(), g.row_of.cv<2>(), weights.cv<2>(), y.v<2>());
    return testing::dot(dy, y);
  };
  testing::expect_gradient(loss, x, dx, "x");
  testing::expect_gradient(loss, weights, dweights, "weights");
}

TEST(CombineRows, EveryIsaMatchesReference) {
  for_each_isa([](Ctx& ctx) {
    for (const i64 dim : {1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 63, 64, 65, 127, 512}) {
      const i64 tokens = 9, topk = 4;
      const auto chosen = random_choices(tokens, topk, 11);
      Grouped g(chosen, 11);
      const auto x = normal<float>({g.count(), dim}), weights = normal<float>({tokens, topk});
      const auto before = normal<float>({tokens, dim}, 1.0, 2), dy = normal<float>({tokens, dim});
      Tensor<double> want({tokens, dim}), want_dx({g.count(), dim}), want_dw({tokens, topk});
      const auto exact_x = x.to<double>(), exact_w = weights.to<double>();
      ref::combine_rows<double>(exact_x.v<2>(), g.row_of.cv<2>(), exact_w.v<2>(), want.v<2>());
      ref::combine_rows_backward<double>(dy.to<double>().cv<2>(), exact_x.v<2>(), g.row_of.cv<2>(),
                                         exact_w.v<2>(), want_dx.v<2>(), want_dw.v<2>());
      auto y = before, sum = before;
      combine_rows(ctx, x.v<2>(), g.rows(), chosen.v<2>(), weights.v<2>(), false, y.v<2>());
      expect_close(y, want, {.rel = kCombineRelTol}, "dim " + std::to_string(dim));
      combine_rows(ctx, x.v<2>(), g.rows(), chosen.v<2>(), weights.v<2>(), true, sum.v<2>());
      for (i64 i = 0; i < y.size(); ++i) ASSERT_EQ(sum[i], before[i] + y[i]);

      auto dx = x;  // dx may alias x
      Tensor<float> dw({tokens, topk}), apart(x.dims());
      combine_rows_backward(ctx, dy.v<2>(), dx.v<2>(), g.rows(), weights.v<2>(), dx.v<2>(),
                            dw.v<2>());
      expect_close(dx, want_dx, {.rel = kCombineRelTol}, "dim " + std::to_string(dim));
      expect_close(dw, want_dw, {.rel = kCombineRelTol}, "dim " + std::to_string(dim));
      combine_rows_backward(ctx, dy.v<2>(), x.v<2>(), g.rows(), weights.v<2>(), apart.v<2>(),
                            dw.v<2>());
      expect_bitwise_equal(apart, dx);
    }
  });
}

// Without weights it is the backward of a gather, and its sum has the order of experts, not of
// slots.
TEST(CombineRows, SumsInTheOrderOfExpertsAndSkipsDropped) {
  for_each_isa([](Ctx& ctx) {
    Tensor<i32> chosen({2, 4});
    const std::vector<i32> values = {5, 0, -1, 3, -1, -1, -1, -1};
    std::copy(values.begin(), values.end(), chosen.data());
    Grouped g(chosen, 6);
    Tensor<float> x({3, 1}), y({2, 1});
    y[1] = kNan;
    x[0] = 1e8f;   // expert 0
    x[1] = -1e8f;  // expert 3
    x[2] = 1.0f;   // expert 5: lost if it came first
    combine_rows(ctx, x.v<2>(), g.rows(), chosen.v<2>(), {}, false, y.v<2>());
    EXPECT_EQ(y[0], 1.0f);
    EXPECT_EQ(y[1], 0.0f);
  });
}

TEST(CombineRows, ThreadsChangeNothingAndNanStaysWithItsToken) {
  for_each_isa([](Ctx& ctx) {
    const i64 tokens = 200, topk = 6, dim = 70;
    const auto chosen = random_choices(tokens, topk, 16);
    Grouped g(chosen, 16);
    auto x = normal<float>({g.count(), dim});
    x[3 * dim] = kNan;
    const auto weights = normal<float>({tokens, topk}, 1.0, 1), dy = normal<float>({tokens, dim});
    Tensor<float> first_y, first_dx, first_dw;
    for (const int threads : {1, 2, 7}) {
      const testing::ScopedThreads scoped(threads);
      Tensor<float> y({tokens, dim}), dx(x.dims()), dw({tokens, topk});
      combine_rows(ctx, x.v<2>(), g.rows(), chosen.v<2>(), weights.v<2>(), false, y.v<2>());
      combine_rows_backward(ctx, dy.v<2>(), x.v<2>(), g.rows(), weights.v<2>(), dx.v<2>(),
                            dw.v<2>());
      for (i64 i = 0; i < y.size(); ++i) ASSERT_EQ(std::isnan(y[i]), i == g.tokens[3] * dim) << i;
      if (threads == 1) {
        first_y = y;
        first_dx = dx;
        first_dw = dw;
      } else {
        expect_bitwise_equal(y, first_y);
        expect_bitwise_equal(dx, first_dx);
        expect_bitwise_equal(dw, first_dw);
      }
    }
  });
}

}  // namespace
}  // namespace fathom::ops
