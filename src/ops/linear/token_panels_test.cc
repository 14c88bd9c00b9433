// Linear of prefill, tokens in the lanes: against the definition, and against itself among other
// rows of the batch.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/ref/linear.h"
#include "ops/linear/linear.h"
#include "ops/moe/moe.h"
#include "testing/expect.h"
#include "testing/for_each_isa.h"
#include "testing/packed_weights.h"
#include "testing/special_values.h"
#include "testing/stored_weights.h"
#include "testing/tensor.h"

namespace fathom::ops {
namespace {

using testing::expect_bitwise_equal;
using testing::expect_close;
using testing::for_each_isa;
using testing::kNan;
using testing::kPackedFormats;
using testing::name_of;
using testing::normal;
using testing::PackedWeights;
using testing::ScopedThreads;
using testing::StoredWeights;
using testing::Tensor;

Tensor<float> product(Ctx& ctx, const Tensor<float>& x, const MatRef& w, LinearMode mode) {
  Tensor<float> y({x.dim(0), w.rows});
  linear_forward(ctx, x.v<2>(), w, y.v<2>(), mode);
  return y;
}

/// Both forms round alike, so they differ by the order of their sums alone.
void expect_both_forms_agree(Ctx& ctx, const Tensor<float>& x, const MatRef& w, Activations mode,
                             const std::string& what) {
  expect_close(product(ctx, x, w, {mode, true}), product(ctx, x, w, mode), {.rel = kLinearRelTol},
               what + ", " + to_string(w) + ", tokens " + std::to_string(x.dim(0)));
}

constexpr i64 kTokens[] = {1, 2, 7, 8, 9, 15, 16, 17, 47, 48, 49, 77, 96, 127};
constexpr i64 kIns[] = {1, 2, 31, 32, 33, 63, 64, 127, 128, 129, 160, 257, 384, 700};
constexpr i64 kOuts[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 59, 62, 63, 64, 65, 127, 129};

/// fn(tokens, in, out) over awkward sizes.
template <typename Fn>
void for_panel_sizes(Fn&& fn) {
  for (const i64 tokens : kTokens) fn(tokens, i64{192}, i64{13});
  for (const i64 in : kIns) fn(i64{35}, in, i64{5});
  for (const i64 out : kOuts) fn(i64{18}, i64{130}, out);
  fn(i64{531}, i64{40}, i64{3});  // more tokens than sums wait at once
}

TEST(TokenPanels, StoredWeightsAgreeWithTheOtherForm) {
  for_each_isa([](Ctx& ctx) {
    for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF8E4M3}) {
      for (const Activations mode :
           {Activations::kF32, Activations::kBf16, Activations::kFp8, Activations::kFp8PowerOf2}) {
        for_panel_sizes([&](i64 tokens, i64 in, i64 out) {
          const StoredWeights w(normal<float>({out, in}, 0.02, 2), dtype);
          expect_both_forms_agree(ctx, normal<float>({tokens, in}, 1.0, 1), w.ref(), mode,
                                  "mode " + std::to_string(static_cast<int>(mode)));
        });
      }
    }
  });
}

TEST(TokenPanels, PackedIntegersAgreeWithTheOtherForm) {
  for_each_isa([](Ctx& ctx) {
    for (const auto& format : kPackedFormats) {
      for_panel_sizes([&](i64 tokens, i64 in, i64 out) {
        const PackedWeights w(normal<float>({out, in}, 0.02, 2), format);
        expect_both_forms_agree(ctx, normal<float>({tokens, in}, 1.0, 1), w.ref(),
                                Activations::kInt8, name_of(format));
      });
    }
  });
}

TEST(TokenPanels, RowSlicesOfScaledWeights) {
  for_each_isa([](Ctx& ctx) {
    const StoredWeights w(normal<float>({300, 200}, 0.02, 2), DType::kF8E4M3);
    const auto x = normal<float>({20, 200}, 1.0, 1);
    const auto whole = product(ctx, x, w.ref(), {Activations::kBf16, true});
    const auto part = product(ctx, x, w.ref().row_slice(77, 200), {Activations::kBf16, true});
    Tensor<float> want({20, 200});
    for (i64 i = 0; i < want.size(); ++i) want[i] = whole[i / 200 * 300 + 77 + i % 200];
    expect_bitwise_equal(part, want);
  });
}

TEST(TokenPanels, DependsOnNothingButTheRow) {
  for_each_isa([](Ctx& ctx) {
    const auto x = normal<float>({50, 320}, 1.0, 1);
    const auto numbers = normal<float>({67, 320}, 0.02, 2);
    const StoredWeights bf16(numbers, DType::kBF16), fp8(numbers, DType::kF8E4M3);
    const PackedWeights int4(numbers, {4, 32}), int8(numbers, {8, 128}), int8_32(numbers, {8, 32});
    for (const MatRef& w : {bf16.ref(), fp8.ref(), int4.ref(), int8.ref(), int8_32.ref()}) {
      const LinearMode mode(w.bits != 0 ? Activations::kInt8 : Activations::kBf16, true);
      const auto all = product(ctx, x, w, mode);
      for (const int threads : {1, 2, 7}) {
        const ScopedThreads scoped(threads);
        expect_bitwise_equal(product(ctx, x, w, mode), all, "threads");
      }
      for (i64 t = 0; t < x.dim(0); ++t) {
        Tensor<float> row({1, 320}), want({1, 67});
        std::copy_n(x.data() + t * 320, 320, row.data());
        std::copy_n(all.data() + t * 67, 67, want.data());
        expect_bitwise_equal(product(ctx, row, w, mode), want, "alone");
      }
    }
  });
}

TEST(TokenPanels, NanReachesItsRowOnly) {
  for_each_isa([](Ctx& ctx) {
    for (const float bad :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      auto x = normal<float>({20, 192}, 1.0, 1);
      x[5 * 192 + 100] = bad;
      const auto numbers = normal<float>({9, 192}, 0.02, 2);
      const StoredWeights bf16(numbers, DType::kBF16), fp8(numbers, DType::kF8E4M3);
      const PackedWeights int8(numbers, {8, 128}), int4(numbers, {4, 32});
      for (const MatRef& w : {bf16.ref(), fp8.ref(), int8.ref(), int4.ref()}) {
        for (const Activations activations : {Activations::kBf16, Activations::kInt8}) {
          const auto y = product(ctx, x, w, {activations, true});
          for (i64 i = 0; i < y.size(); ++i) {
            // Infinity times a weight that was rounded to 0 is NaN, others are infinite.
            EXPECT_EQ(std::isfinite(y[i]), i / 9 != 5) << to_string(w) << " at " << i;
          }
        }
      }
    }
  });
}

TEST(TokenPanels, NanOfAWeightReachesItsColumnOnly) {
  for_each_isa([](Ctx& ctx) {
    const auto x = normal<float>({20, 300}, 1.0, 1);
    auto numbers = normal<float>({9, 300}, 0.02, 2);
    StoredWeights bf16(numbers, DType::kBF16), fp8(numbers, DType::kF8E4M3);
    for (const i64 at : {i64{3}, i64{270}, i64{299}}) {  // in whole vectors, and in the last ones
      bf16.bf16()[static_cast<size_t>(4 * 300 + at)] = Bf16(kNan);
      fp8.codes()[static_cast<size_t>(4 * 300 + at)] = Fp8E4M3(kNan);
      for (const MatRef& w : {bf16.ref(), fp8.ref()}) {
        const auto y = product(ctx, x, w, {Activations::kBf16, true});
        for (i64 i = 0; i < y.size(); ++i) {
          ASSERT_EQ(std::isnan(y[i]), i % 9 == 4) << to_string(w) << " at " << i;
        }
      }
      bf16.bf16()[static_cast<size_t>(4 * 300 + at)] = Bf16(0.0f);
      fp8.codes()[static_cast<size_t>(4 * 300 + at)] = Fp8E4M3(0.0f);
    }
    numbers[4 * 300 + 10] = kNan;  // of packed integers the scale
    const PackedWeights int8(numbers, {8, 128}), int4(numbers, {4, 32});
    for (const MatRef& w : {int8.ref(), int4.ref()}) {
      const auto y = product(ctx, x, w, {Activations::kInt8, true});
      for (i64 i = 0; i < y.size(); ++i) {
        ASSERT_EQ(std::isnan(y[i]), i % 9 == 4) << to_string(w) << " at " << i;
      }
    }
  });
}

// Row o holds code o once, each at another column.
TEST(TokenPanels, EveryFp8CodeIsExact) {
  constexpr i64 kIn = 512;
  for_each_isa([](Ctx& ctx) {
    StoredWeights w(normal<float>({256, kIn}), DType::kF8E4M3);
    for (i64 i = 0; i < 256 * kIn; ++i) w.codes()[static_cast<size_t>(i)].bits = 0;
    for (i64 o = 0; o < 256; ++o) {
      w.codes()[static_cast<size_t>(o * kIn + (o * 7 + o / 64) % kIn)].bits = static_cast<u8>(o);
    }
    for (i64 i = 0; i < w.scale().size(); ++i) w.scale()[i] = 1.0f;
    Tensor<float> x({19, kIn});
    for (i64 i = 0; i < x.size(); ++i) x[i] = 1.0f;
    const auto y = product(ctx, x, w.ref(), {Activations::kBf16, true});
    for (i64 i = 0; i < y.size(); ++i) {
      const float want = static_cast<float>(Fp8E4M3::from_bits(static_cast<u8>(i % 256)));
      ASSERT_TRUE(std::isnan(want) ? std::isnan(y[i]) : y[i] == want)
          << "code " << i % 256 << ": " << y[i] << ", want " << want;
    }
  });
}

TEST(TokenPanels, ExtremeScales) {
  for_each_isa([](Ctx& ctx) {
    for (const double scale : {1e-25, 1e-12, 1e12, 1e25}) {
      const auto x = normal<float>({21, 300}, 1.0 / scale, 1);
      const auto numbers = normal<float>({10, 300}, scale, 2);
      const std::string what = "scale " + std::to_string(scale);
      const StoredWeights fp8(numbers, DType::kF8E4M3), bf16(numbers, DType::kBF16);
      expect_both_forms_agree(ctx, x, fp8.ref(), Activations::kBf16, what);
      expect_both_forms_agree(ctx, x, bf16.ref(), Activations::kBf16, what);
      for (const auto& format : kPackedFormats) {
        if (format.scales != DType::kBF16) continue;  // F16 ends at 65504
        const PackedWeights w(numbers, format);
        expect_both_forms_agree(ctx, x, w.ref(), Activations::kInt8, what);
      }
    }
  });
}

TEST(TokenPanels, ExpertsAgreeWithTheOtherForm) {
  for_each_isa([](Ctx& ctx) {
    constexpr i64 kExperts = 5, kRows = 40, kHidden = 160, kWidth = 96, kTopk = 2;
    std::vector<StoredWeights> stored;
    for (u64 i = 0; i < 3 * (kExperts + 1); ++i) {
      const bool down = i % 3 == 2;
      stored.emplace_back(
          normal<float>({down ? kHidden : kWidth, down ? kWidth : kHidden}, 0.05, i),
          DType::kF8E4M3);
    }
    std::vector<FfnWeights> experts;
    for (size_t e = 0; e < kExperts + 1; ++e) {
      experts.push_back({stored[3 * e].ref(), stored[3 * e + 1].ref(), stored[3 * e + 2].ref()});
    }
    const FfnWeights shared = experts.back();
    experts.pop_back();
    const auto x = normal<float>({kRows, kHidden}, 1.0, 50);
    Tensor<i32> chosen({kRows, kTopk});
    Tensor<float> weight({kRows, kTopk}), many({kRows, kHidden}), few({kRows, kHidden});
    for (i64 t = 0; t < kRows; ++t) {
      chosen[2 * t] = static_cast<i32>(t % 4);  // the last expert has no row
      chosen[2 * t + 1] = static_cast<i32>((t + 1 + t / 20) % 4);
      if (chosen[2 * t] == chosen[2 * t + 1]) chosen[2 * t + 1] = (chosen[2 * t] + 1) % 4;
      weight[2 * t] = 0.7f;
      weight[2 * t + 1] = 0.3f;
    }
    const auto run = [&](LinearMode mode, Tensor<float>& y) {
      moe_experts_forward(ctx, x.v<2>(), experts, chosen.cv<2>(), weight.cv<2>(), y.v<2>(), mode,
                          &shared);
    };
    run({Activations::kBf16, true}, many);
    run(Activations::kBf16, few);
    // The hidden numbers are rounded to BF16 between the products: a last bit may fall the other
    // way.
    expect_close(many, few, {.rel = 2e-3});
    // The shared expert is what it is alone.
    Tensor<float> routed({kRows, kHidden}), alone({kRows, kHidden}), sum({kRows, kHidden});
    moe_experts_forward(ctx, x.v<2>(), experts, chosen.cv<2>(), weight.cv<2>(), routed.v<2>(),
                        Activations::kBf16);
    ffn_forward(ctx, x.v<2>(), shared, alone.v<2>(), Activations::kBf16);
    for (i64 i = 0; i < sum.size(); ++i) sum[i] = routed[i] + alone[i];
    expect_bitwise_equal(few, sum, "shared expert");
  });
}

}  // namespace
}  // namespace fathom::ops
