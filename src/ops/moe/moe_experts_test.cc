#include <gmock/gmock.h>

#include <memory>

#include "backend/backend.h"
#include "ops/elementwise/elementwise.h"
#include "ops/moe/moe.h"
#include "testing/expect.h"
#include "testing/for_each_isa.h"
#include "testing/stored_weights.h"
#include "testing/tensor.h"

namespace fathom::ops {
namespace {

using testing::expect_bitwise_equal;
using testing::for_each_isa;
using testing::normal;
using testing::StoredWeights;
using testing::Tensor;

constexpr i64 kHidden = 137, kIntermediate = 70, kExperts = 9, kTopk = 3;

struct Experts {
  explicit Experts(DType dtype) {
    for (u64 e = 0; e < kExperts; ++e) {
      const auto make = [&](i64 rows, i64 cols, u64 part) {
        stored.push_back(std::make_unique<StoredWeights>(
            normal<float>({rows, cols}, 0.1, 10 * e + part), dtype));
        return stored.back()->ref();
      };
      weights.push_back({make(kIntermediate, kHidden, 1), make(kIntermediate, kHidden, 2),
                         make(kHidden, kIntermediate, 3)});
    }
  }
  std::vector<std::unique_ptr<StoredWeights>> stored;
  std::vector<FfnWeights> weights;
};

/// Choices and weights; expert 4 is never chosen, expert 0 often, and indices are not sorted.
struct Choice {
  explicit Choice(i64 tokens)
      : indices({tokens, kTopk}), weights(normal<float>({tokens, kTopk}, 1, 7)) {
    for (i64 t = 0; t < tokens; ++t) {
      indices[t * kTopk] = static_cast<i32>(5 + t % 4);
      indices[t * kTopk + 1] = t % 3 == 0 ? 3 : 0;
      indices[t * kTopk + 2] = static_cast<i32>(1 + t % 2);
    }
  }
  Tensor<i32> indices;
  Tensor<float> weights;
};

TEST(Ffn, EqualsItsPartsBitwise) {
  for_each_isa([](Ctx& ctx) {
    for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF8E4M3}) {
      const Experts experts(dtype);
      const FfnWeights& w = experts.weights[0];
      for (const Activations mode : {Activations::kF32, Activations::kBf16, Activations::kFp8}) {
        const auto x = normal<float>({6, kHidden});
        Tensor<float> y({6, kHidden}), want({6, kHidden});
        Tensor<float> gate({6, kIntermediate}), up({6, kIntermediate});
        ffn_forward(ctx, x.v<2>(), w, y.v<2>(), mode);
        linear_forward(ctx, x.v<2>(), w.gate_proj, gate.v<2>(), mode);
        linear_forward(ctx, x.v<2>(), w.up_proj, up.v<2>(), mode);
        silu_mul_forward(ctx, gate.v<2>(), up.v<2>(), gate.v<2>());
        linear_forward(ctx, gate.v<2>(), w.down_proj, want.v<2>(), mode);
        expect_bitwise_equal(y, want, std::string(dtype_name(dtype)));
      }
    }
  });
}

// One expert at a time, summed: the definition.
TEST(MoeExperts, EqualsTheSumOverExpertsOfTheFfn) {
  for_each_isa([](Ctx& ctx) {
    for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF8E4M3}) {
      const Experts experts(dtype);
      for (const i64 tokens : {1, 2, 5, 40}) {
        const auto x = normal<float>({tokens, kHidden});
        const Choice choice(tokens);
        Tensor<float> y({tokens, kHidden}), part({tokens, kHidden});
        Tensor<double> want({tokens, kHidden});
        moe_experts_forward(ctx, x.v<2>(), experts.weights, choice.indices.v<2>(),
                            choice.weights.v<2>(), y.v<2>(), Activations::kBf16);
        for (i32 e = 0; e < kExperts; ++e) {
          ffn_forward(ctx, x.v<2>(), experts.weights[static_cast<size_t>(e)], part.v<2>(),
                      Activations::kBf16);
          for (i64 i = 0; i < want.size(); ++i) {
            for (i64 j = i / kHidden * kTopk; j < (i / kHidden + 1) * kTopk; ++j) {
              if (choice.indices[j] == e)
                want[i] += static_cast<double>(choice.weights[j] * part[i]);
            }
          }
        }
        testing::expect_close(y, want, {.rel = 1e-6}, "tokens " + std::to_string(tokens));
      }
    }
  });
}

TEST(MoeExperts, ATokenAloneEqualsATokenInABatchBitwise) {
  for_each_isa([](Ctx& ctx) {
    for (const DType dtype : {DType::kBF16, DType::kF8E4M3}) {
      const Experts experts(dtype);
      const i64 tokens = 1040;  // more than one chunk
      const auto x = normal<float>({tokens, kHidden});
      const Choice choice(tokens);
      Tensor<float> together({tokens, kHidden}), alone({1, kHidden});
      moe_experts_forward(ctx, x.v<2>(), experts.weights, choice.indices.v<2>(),
                          choice.weights.v<2>(), together.v<2>(), Activations::kFp8);
      for (const i64 t : {0, 1, 511, 1023, 1024, 1039}) {
        moe_experts_forward(ctx, x.v<2>().slice(0, t, 1), experts.weights,
                            choice.indices.v<2>().slice(0, t, 1),
                            choice.weights.v<2>().slice(0, t, 1), alone.v<2>(), Activations::kFp8);
        Tensor<float> row({1, kHidden});
        std::copy_n(together.data() + t * kHidden, kHidden, row.data());
        expect_bitwise_equal(alone, row, "token " + std::to_string(t));
      }
      Tensor<float> again({tokens, kHidden});
      for (const int threads : {1, 2, 3}) {
        const testing::ScopedThreads scoped(threads);
        moe_experts_forward(ctx, x.v<2>(), experts.weights, choice.indices.v<2>(),
                            choice.weights.v<2>(), again.v<2>(), Activations::kFp8);
        expect_bitwise_equal(again, together, "threads " + std::to_string(threads));
      }
    }
  });
}

// Experts are summed in order of rising index, in whatever order the router lists them.
TEST(MoeExperts, TheOrderOfTheChoiceChangesNothingBitwise) {
  for_each_isa([](Ctx& ctx) {
    const Experts experts(DType::kF32);
    const auto x = normal<float>({20, kHidden});
    const Choice choice(20);
    Choice reversed(20);
    for (i64 i = 0; i < 20 * kTopk; ++i) {
      const i64 from = i / kTopk * kTopk + (kTopk - 1 - i % kTopk);
      reversed.indices[i] = choice.indices[from];
      reversed.weights[i] = choice.weights[from];
    }
    Tensor<float> y({20, kHidden}), same({20, kHidden});
    moe_experts_forward(ctx, x.v<2>(), experts.weights, choice.indices.v<2>(),
                        choice.weights.v<2>(), y.v<2>(), Activations::kF32);
    moe_experts_forward(ctx, x.v<2>(), experts.weights, reversed.indices.v<2>(),
                        reversed.weights.v<2>(), same.v<2>(), Activations::kF32);
    expect_bitwise_equal(same, y);
  });
}

// Threads take whole experts if there are enough, else share each; outputs wait within 32 MiB.
TEST(MoeExperts, ExpertParallelEqualsRowParallelBitwise) {
  for_each_isa([](Ctx& ctx) {
    const Experts experts(DType::kF8E4M3);
    const i64 tokens = 300;  // an expert has more rows than a unit
    const auto x = normal<float>({tokens, kHidden});
    const Choice choice(tokens);
    const LinearMode mode(Activations::kBf16, /*is_prefill=*/true);
    Tensor<float> want({tokens, kHidden}), y({tokens, kHidden});
    for (const int threads : {7, 1, 2}) {  // 7: row-parallel
      const testing::ScopedThreads scoped(threads);
      Tensor<float>& out = threads == 7 ? want : y;
      moe_experts_forward(ctx, x.v<2>(), experts.weights, choice.indices.v<2>(),
                          choice.weights.v<2>(), out.v<2>(), mode, &experts.weights[4]);
      if (threads != 7) expect_bitwise_equal(y, want, "threads " + std::to_string(threads));
    }
  });
}

TEST(MoeExperts, OutputsThatWaitInPartsChangeNothingBitwise) {
  constexpr i64 kWide = 2080, kTokens = 1024, kNarrow = 16, kChosen = 5;
  std::vector<std::unique_ptr<StoredWeights>> stored;
  std::vector<FfnWeights> experts;
  const auto make = [&](i64 rows, i64 cols) {
    const u64 seed = stored.size();
    stored.push_back(
        std::make_unique<StoredWeights>(normal<float>({rows, cols}, 0.1, seed), DType::kBF16));
    return stored.back()->ref();
  };
  for (int e = 0; e < 9; ++e) {
    experts.push_back({make(kNarrow, kWide), make(kNarrow, kWide), make(kWide, kNarrow)});
  }
  const auto x = normal<float>({kTokens, kWide});
  const auto weights = normal<float>({kTokens, kChosen}, 1, 7);
  Tensor<i32> indices({kTokens, kChosen});
  for (i64 i = 0; i < indices.size(); ++i) {
    indices[i] = static_cast<i32>((i / kChosen + 2 * (i % kChosen)) % 9);
  }
  const LinearMode mode(Activations::kBf16, /*is_prefill=*/true);
  Ctx ctx = backend::make_context();
  Tensor<float> want({kTokens, kWide}), y({kTokens, kWide});
  for (const int threads : {7, 2}) {  // 7: row-parallel, and all outputs at once
    const testing::ScopedThreads scoped(threads);
    moe_experts_forward(ctx, x.v<2>(), experts, indices.v<2>(), weights.v<2>(),
                        (threads == 7 ? want : y).v<2>(), mode);
  }
  expect_bitwise_equal(y, want);
}

// A wide feed-forward takes its tokens in parts.
TEST(Ffn, PartsOfTokensChangeNothingBitwise) {
  constexpr i64 kWide = 24, kWidest = 4096, kTokens = 1100;  // gate and up: 36 MB
  const StoredWeights gate(normal<float>({kWidest, kWide}, 0.1, 1), DType::kBF16);
  const StoredWeights up(normal<float>({kWidest, kWide}, 0.1, 2), DType::kBF16);
  const StoredWeights down(normal<float>({kWide, kWidest}, 0.1, 3), DType::kBF16);
  const FfnWeights w{gate.ref(), up.ref(), down.ref()};
  const auto x = normal<float>({kTokens, kWide});
  for (const bool many : {false, true}) {
    Ctx ctx = backend::make_context();
    Tensor<float> all({kTokens, kWide}), part({100, kWide});
    const LinearMode mode(Activations::kBf16, many);
    ffn_forward(ctx, x.v<2>(), w, all.v<2>(), mode);
    for (const i64 begin : {0, 500, 1000}) {
      Tensor<float> want({100, kWide});
      std::copy_n(all.data() + begin * kWide, 100 * kWide, want.data());
      ffn_forward(ctx, x.v<2>().slice(0, begin, 100), w, part.v<2>(), mode);
      expect_bitwise_equal(part, want, "from token " + std::to_string(begin));
    }
  }
}

TEST(MoeExperts, TheSharedExpertIsAdded) {
  for_each_isa([](Ctx& ctx) {
    const Experts experts(DType::kF32);
    const auto x = normal<float>({5, kHidden});
    const Choice choice(5);
    Tensor<float> routed({5, kHidden}), shared({5, kHidden}), both({5, kHidden});
    const auto run_into = [&](Tensor<float>& y, const FfnWeights* also) {
      moe_experts_forward(ctx, x.v<2>(), experts.weights, choice.indices.v<2>(),
                          choice.weights.v<2>(), y.v<2>(), Activations::kF32, also);
    };
    run_into(routed, nullptr);
    run_into(both, &experts.weights[4]);
    ffn_forward(ctx, x.v<2>(), experts.weights[4], shared.v<2>(), Activations::kF32);
    Tensor<double> want({5, kHidden});
    for (i64 i = 0; i < want.size(); ++i) {
      want[i] = static_cast<double>(routed[i]) + static_cast<double>(shared[i]);
    }
    testing::expect_close(both, want, {.rel = 1e-6}, "with the shared expert");
  });
}

TEST(MoeExperts, MisuseNamesTheValues) {
  Ctx ctx = backend::make_context();
  Experts experts(DType::kF32);
  const auto x = normal<float>({2, kHidden});
  Choice choice(2);
  Tensor<float> y({2, kHidden});
  const auto message = [&] {
    try {
      moe_experts_forward(ctx, x.v<2>(), experts.weights, choice.indices.v<2>(),
                          choice.weights.v<2>(), y.v<2>(), Activations::kF32);
    } catch (const InternalError& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  choice.indices[4] = kExperts;
  EXPECT_THAT(message(), ::testing::HasSubstr("expert 9 of token 1, of 9"));
  choice.indices[4] = -1;  // serving drops no choice
  EXPECT_THAT(message(), ::testing::HasSubstr("expert -1 of token 1, of 9"));
  choice.indices[4] = 0;
  const Experts others(DType::kBF16);
  const FfnWeights first = experts.weights[0];
  experts.weights[0].up_proj = others.weights[0].up_proj;
  EXPECT_THAT(message(), ::testing::HasSubstr("[70, 137] F32 vs up_proj [70, 137] BF16"));
  experts.weights[0] = first;
  experts.weights[2] = Experts(DType::kBF16).weights[2];
  EXPECT_THAT(message(), ::testing::HasSubstr("[70, 137] BF16 vs [70, 137] F32"));
}

}  // namespace
}  // namespace fathom::ops
