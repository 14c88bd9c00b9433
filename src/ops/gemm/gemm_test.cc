#include "ops/gemm/gemm.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <vector>

#include "backend/backend.h"
#include "ops/gemm/gemm_test_support.h"
#include "testing/expect.h"
#include "testing/for_each_isa.h"
#include "testing/guarded.h"

namespace fathom::ops {
namespace {

using testing::expect_bitwise_equal;
using testing::expect_close;
using testing::for_each_isa;
using testing::normal;
using testing::ScopedThreads;

constexpr GemmRounding kTile{GemmFormat::kE4m3};
constexpr GemmRounding kBlock{GemmFormat::kE4m3, GemmScaling::kBlock};

/// a . b^T through pack and gemm.
Tensor<float> multiply(Ctx& ctx, const Tensor<float>& a, const GemmRounding& a_rounding,
                       const Tensor<float>& b, const GemmRounding& b_rounding,
                       const GemmAccumulator& accumulator = {}) {
  Workspace::Scope scope(ctx.workspace());
  Tensor<float> c({a.dim(0), b.dim(0)});
  for (i64 i = 0; i < c.size(); ++i) c[i] = 1e30f;
  const GemmJob job{pack(ctx, scope, PackSource(a.v<2>()).as_left(), a_rounding),
                    pack(ctx, scope, {b.v<2>()}, b_rounding), c.v<2>()};
  gemm(ctx, {&job, 1}, accumulator);
  return c;
}

struct Shape {
  i64 m, n, k;
};
constexpr Shape kShapes[] = {{1, 1, 1},      {1, 16, 2},      {7, 15, 17},   {8, 48, 64},
                             {9, 49, 127},   {15, 33, 129},   {16, 47, 128}, {17, 31, 300},
                             {131, 97, 515}, {64, 400, 1031}, {23, 16, 2048}};

TEST(Gemm, EveryIsaAgreesWithTheProductOfTheRoundedOperands) {
  for_each_isa([](Ctx& ctx) {
    for (const Shape& s : kShapes) {
      const auto a = normal<float>({s.m, s.k}, 3.0, 1), b = normal<float>({s.n, s.k}, 0.05, 2);
      for (const GemmRounding& rounding :
           {kF32, kBf16, kTile, GemmRounding{GemmFormat::kE5m2, GemmScaling::kRow},
            GemmRounding{GemmFormat::kE4m3, GemmScaling::kTile, true},
            GemmRounding{GemmFormat::kE4m3, GemmScaling::kTensor, false, 4.0f}}) {
        const GemmRounding b_rounding = rounding == kTile ? kBlock : rounding;
        const auto want = product(round_operand(a, rounding), round_operand(b, b_rounding));
        const auto got = multiply(ctx, a, rounding, b, b_rounding);
        expect_close(got, want, {.rel = kGemmRelTol},
                     "format " + std::to_string(static_cast<int>(rounding.format)));
        EXPECT_LT(distance(got, want), 1e-11);
      }
    }
  });
}

// Tiles hold 16 rows, 16 columns and 32 numbers of K; blocks 32 rows and columns.
TEST(Gemm, EveryEdgeOfATile) {
  for_each_isa([](Ctx& ctx) {
    for (const i64 k : {1, 31, 32, 33, 64, 95, 1024, 1060}) {
      const auto a = normal<float>({33, k}, 1.0, 1), b = normal<float>({33, k}, 1.0, 2);
      const auto start = normal<float>({33, 33}, 1.0, 3);
      for (const GemmRounding& rounding : {kBf16, kTile}) {
        Workspace::Scope scope(ctx.workspace());
        const PackedMatrix left = pack(ctx, scope, PackSource(a.v<2>()).as_left(), rounding);
        const PackedMatrix panels = pack(ctx, scope, {a.v<2>()}, rounding);
        const PackedMatrix right = pack(ctx, scope, {b.v<2>()}, rounding);
        const auto want = product(round_operand(a, rounding), round_operand(b, rounding));
        Tensor<float> whole({33, 33});
        const GemmJob job{left, right, whole.v<2>()};
        gemm(ctx, {&job, 1});
        expect_close(whole, want, {.rel = kGemmRelTol}, "k " + std::to_string(k));
        for (const i64 m : {1, 15, 16, 17, 31, 32, 33}) {
          for (i64 n = 1; n <= 33; ++n) {
            Workspace::Scope part(ctx.workspace());
            const auto first = [&](const PackedMatrix& p, i64 rows) {
              PackedMatrix some = p;
              some.rows = rows;
              return some;
            };
            Tensor<float> c({m, n}), transposed({m, n}), sum({m, n});
            for (i64 i = 0; i < c.size(); ++i) sum[i] = start[i / n * 33 + i % n];
            const GemmJob jobs[] = {{first(left, m), first(right, n), c.v<2>()},
                                    {first(panels, m), first(right, n), transposed.v<2>()},
                                    {first(left, m), first(right, n), sum.v<2>(), true}};
            gemm(ctx, jobs);
            for (i64 i = 0; i < c.size(); ++i) {
              const i64 at = i / n * 33 + i % n;
              ASSERT_EQ(c[i], whole[at]) << m << " x " << n << ", k " << k;
              ASSERT_EQ(transposed[i], whole[at]) << m << " x " << n << ", k " << k;
              ASSERT_NEAR(sum[i], start[at] + whole[at], kGemmRelTol * (8 + std::abs(want[at])) * 8)
                  << m << " x " << n << ", k " << k;
            }
          }
        }
      }
    }
  });
}

// What FP8 itself costs, on normal numbers: DeepGEMM accepts 1e-3.
TEST(Gemm, Fp8StaysNearTheExactProduct) {
  for_each_isa([](Ctx& ctx) {
    const auto a = normal<float>({65, 512}, 1.0, 1), b = normal<float>({130, 512}, 1.0, 2);
    const auto exact = product(round_operand(a, kF32), round_operand(b, kF32));
    const double fp8 = distance(multiply(ctx, a, kTile, b, kBlock), exact);
    const double bf16 = distance(multiply(ctx, a, kBf16, b, kBf16), exact);
    EXPECT_LT(fp8, 1e-3);
    EXPECT_GT(fp8, 1e-4);  // it was quantised
    EXPECT_LT(bf16, 1e-5);
    EXPECT_GT(bf16, 1e-7);
  });
}

// fprop, dgrad and wgrad of one Linear, as the head of gemm.h has them.
TEST(Gemm, TheThreeProductsOfALinear) {
  for_each_isa([](Ctx& ctx) {
    const i64 tokens = 75, in = 50, out = 37;
    const auto x = normal<float>({tokens, in}, 1.0, 1), w = normal<float>({out, in}, 1.0, 2),
               dy = normal<float>({tokens, out}, 1.0, 3);
    Tensor<float> y({tokens, out}), dx({tokens, in}), dw({out, in});
    for (i64 i = 0; i < dw.size(); ++i) dw[i] = 0.5f;
    Workspace::Scope scope(ctx.workspace());
    const auto packed = [&](const Tensor<float>& t, bool transposed) {
      return pack(ctx, scope, {t.v<2>(), transposed}, kBf16);
    };
    const GemmJob jobs[] = {{packed(x, false), packed(w, false), y.v<2>()},
                            {packed(dy, false), packed(w, true), dx.v<2>()},
                            {packed(dy, true), packed(x, true), dw.v<2>(), true}};
    gemm(ctx, jobs);
    const auto rounded = [&](const Tensor<float>& t, bool transposed) {
      return round_operand(arrange(t, transposed), kBf16);
    };
    expect_close(y, product(rounded(x, false), rounded(w, false)), {.rel = kGemmRelTol}, "y");
    expect_close(dx, product(rounded(dy, false), rounded(w, true)), {.rel = kGemmRelTol}, "dx");
    auto want = product(rounded(dy, true), rounded(x, true));
    for (i64 i = 0; i < want.size(); ++i) want[i] += 0.5;
    expect_close(dw, want, {.rel = kGemmRelTol}, "dw");
  });
}

/// 20 experts of uneven rows, two without any; every third accumulates.
class UnevenJobs {
 public:
  UnevenJobs(Ctx& ctx, Workspace::Scope& scope, const GemmRounding& rounding) {
    const i64 rows[] = {0, 1, 2, 15, 16, 17, 130, 0, 48, 5, 33, 64, 3, 7, 129, 100, 20, 21, 1, 40};
    for (size_t i = 0; i < std::size(rows); ++i) {
      const auto a = normal<float>({rows[i], 140}, 1.0, 2 * i);
      const auto b = normal<float>({70 + static_cast<i64>(i), 140}, 1.0, 2 * i + 1);
      c_.push_back(normal<float>({rows[i], b.dim(0)}, 1.0, 100 + i));
      jobs_.push_back({pack(ctx, scope, {a.v<2>()}, rounding),
                       pack(ctx, scope, {b.v<2>()}, rounding),
                       {},
                       i % 3 == 0});
    }
  }
  std::vector<Tensor<float>> run(Ctx& ctx) {
    std::vector<Tensor<float>> c = c_;
    for (size_t i = 0; i < c.size(); ++i) jobs_[i].c = c[i].v<2>();
    gemm(ctx, jobs_);
    return c;
  }
  std::vector<Tensor<float>> run_one_by_one(Ctx& ctx) {
    std::vector<Tensor<float>> c = c_;
    for (size_t i = 0; i < c.size(); ++i) {
      jobs_[i].c = c[i].v<2>();
      gemm(ctx, {&jobs_[i], 1});
    }
    return c;
  }

 private:
  std::vector<Tensor<float>> c_;
  std::vector<GemmJob> jobs_;
};

TEST(Gemm, BitwiseTheSameForAnyThreadsAndOtherJobs) {
  for_each_isa([](Ctx& ctx) {
    for (const GemmRounding& rounding : {kF32, kBf16, kTile}) {
      Workspace::Scope scope(ctx.workspace());
      UnevenJobs jobs(ctx, scope, rounding);
      std::vector<Tensor<float>> alone;
      {
        const ScopedThreads one(1);
        alone = jobs.run_one_by_one(ctx);
      }
      for (const int threads : {1, 2, 7}) {
        const ScopedThreads scoped(threads);
        const auto together = jobs.run(ctx);
        for (size_t i = 0; i < together.size(); ++i) {
          expect_bitwise_equal(together[i], alone[i], "job " + std::to_string(i));
        }
      }
    }
  });
}

TEST(Gemm, ARowDoesNotDependOnTheOthers) {
  for_each_isa([](Ctx& ctx) {
    const auto a = normal<float>({150, 700}, 1.0, 1), b = normal<float>({130, 700}, 1.0, 2);
    for (const GemmRounding& rounding : {kF32, kBf16, kTile}) {
      const auto all = multiply(ctx, a, rounding, b, rounding);
      for (const i64 row : {0, 9, 77, 149}) {
        Tensor<float> one({1, 700});
        std::copy_n(a.data() + row * 700, 700, one.data());
        const auto got = multiply(ctx, one, rounding, b, rounding);
        for (i64 n = 0; n < 130; ++n) ASSERT_EQ(got[n], all[row * 130 + n]) << row << ", " << n;
      }
    }
  });
}

// Sources, packed operands and c all end at memory that may not be touched.
TEST(Gemm, TouchesNothingBeyondItsOperands) {
  for_each_isa([](Ctx& ctx) {
    for (const Shape& s :
         {Shape{1, 1, 1}, {13, 48, 30}, {16, 16, 128}, {28, 31, 257}, {30, 17, 5}}) {
      for (const GemmRounding& rounding : {kF32, kBf16, kTile}) {
        for (const bool transpose : {false, true}) {
          const testing::Guarded x(s.m * s.k * 4), w(s.n * s.k * 4), c(s.m * s.n * 4);
          const testing::Guarded a(packed_bytes(ctx, s.m, s.k, rounding));
          const testing::Guarded b(packed_bytes(ctx, s.n, s.k, rounding));
          const auto source = [&](const testing::Guarded& memory, i64 rows) {
            const float* data = reinterpret_cast<const float*>(memory.data());
            return PackSource(transpose ? View<const float, 2>(data, {s.k, rows})
                                        : View<const float, 2>(data, {rows, s.k}),
                              transpose);
          };
          const GemmJob job{pack(ctx, source(x, s.m), rounding, a.data()),
                            pack(ctx, source(w, s.n), rounding, b.data()),
                            {reinterpret_cast<float*>(c.data()), {s.m, s.n}}};
          gemm(ctx, {&job, 1});
        }
      }
    }
  });
}

TEST(Gemm, NothingToSumIsZeroOrUnchanged) {
  for_each_isa([](Ctx& ctx) {
    const Tensor<float> a({3, 0}), b({5, 0});
    for (const GemmRounding& rounding : {kF32, kBf16, kTile}) {
      for (const bool accumulate : {false, true}) {
        Tensor<float> c({3, 5});
        for (i64 i = 0; i < c.size(); ++i) c[i] = 7.0f;
        Workspace::Scope scope(ctx.workspace());
        const GemmJob job{pack(ctx, scope, {a.v<2>()}, rounding),
                          pack(ctx, scope, {b.v<2>()}, rounding), c.v<2>(), accumulate};
        gemm(ctx, {&job, 1});
        for (i64 i = 0; i < c.size(); ++i) ASSERT_EQ(c[i], accumulate ? 7.0f : 0.0f);
      }
    }
    gemm(ctx, {});
  });
}

TEST(Gemm, StridedRowsOfCKeepTheirNeighbours) {
  for_each_isa([](Ctx& ctx) {
    const auto a = normal<float>({19, 40}, 1.0, 1), b = normal<float>({21, 40}, 1.0, 2);
    const auto dense = multiply(ctx, a, kBf16, b, kBf16);
    Tensor<float> c({19, 64});
    for (i64 i = 0; i < c.size(); ++i) c[i] = -3.0f;
    Workspace::Scope scope(ctx.workspace());
    const GemmJob job{pack(ctx, scope, {a.v<2>()}, kBf16), pack(ctx, scope, {b.v<2>()}, kBf16),
                      c.v<2>().slice(1, 9, 21)};
    gemm(ctx, {&job, 1});
    for (i64 i = 0; i < c.size(); ++i) {
      const i64 row = i / 64, col = i % 64 - 9;
      ASSERT_EQ(c[i], col >= 0 && col < 21 ? dense[row * 21 + col] : -3.0f) << row << ", " << col;
    }
  });
}

TEST(Gemm, NanAndInfinityReachTheirRow) {
  for_each_isa([](Ctx& ctx) {
    for (const GemmRounding& rounding : {kF32, kBf16, kTile}) {
      for (const float poison :
           {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
        auto a = normal<float>({18, 260}, 1.0, 1), b = normal<float>({50, 260}, 1.0, 2);
        a[5 * 260 + 201] = poison;
        const auto c = multiply(ctx, a, rounding, b, rounding);
        for (i64 i = 0; i < c.size(); ++i) ASSERT_EQ(std::isfinite(c[i]), i / 50 != 5) << i;
      }
    }
  });
}

/// The definition of the short accumulator, product by product in the order of K.
double short_sum(const RoundedOperand& a, i64 m, const RoundedOperand& b, i64 n,
                 const GemmAccumulator& accumulator) {
  const i64 k_count = a.numbers.dim(1), blocks = a.scale.dim(1);
  const auto truncated = [&](double v) {
    const u32 word = std::bit_cast<u32>(static_cast<float>(v));
    return static_cast<double>(
        std::bit_cast<float>(word & ~0u << (23 - accumulator.mantissa_bits)));
  };
  const bool scale_each = accumulator.promotion_interval > kFp8Block;
  double total = 0, partial = 0, group = 0;
  i64 since = 0, in_group = 0;
  for (i64 k = 0; k < k_count; ++k) {
    const i64 block = k / kFp8Block;
    group += static_cast<double>(a.numbers[m * k_count + k]) *
             static_cast<double>(b.numbers[n * k_count + k]);
    ++since, ++in_group;
    const bool block_ends = (k + 1) % kFp8Block == 0, last = k + 1 == k_count;
    const bool promote =
        since == accumulator.promotion_interval || last || (block_ends && !scale_each);
    if (in_group < 32 && !block_ends && !promote) continue;
    const double scale = static_cast<double>(a.scale[m * blocks + block]) *
                         static_cast<double>(b.scale[n * blocks + block]);
    partial = truncated(partial + (scale_each ? group * scale : group));
    group = 0, in_group = 0;
    if (promote) total += scale_each ? partial : partial * scale, partial = 0, since = 0;
  }
  return total;
}

TEST(Gemm, ShortAccumulatorsFollowTheirDefinition) {
  for_each_isa([](Ctx& ctx) {
    const i64 m = 19, n = 35, k = 700;
    const auto a = normal<float>({m, k}, 1.0, 1), b = normal<float>({n, k}, 1.0, 2);
    const RoundedOperand ra = round_operand(a, kTile), rb = round_operand(b, kBlock);
    const auto exact = product(ra, rb);
    double worst_of_13 = 0;
    for (const GemmAccumulator& accumulator : {GemmAccumulator{128, 13},
                                               {64, 23},
                                               {2, 23},
                                               {96, 10},
                                               {256, 13},
                                               {4096, 13},
                                               {704, 23}}) {
      const auto got = multiply(ctx, a, kTile, b, kBlock, accumulator);
      Tensor<double> want({m, n});
      for (i64 i = 0; i < want.size(); ++i) want[i] = short_sum(ra, i / n, rb, i % n, accumulator);
      // A sum that rounds differently in f32 may truncate to the neighbour: one step of 2^-bits of
      // a partial sum, here and there.
      const double step = std::ldexp(1.0, -accumulator.mantissa_bits);
      expect_close(got, want, {.rel = std::max(kGemmRelTol, step)},
                   "interval " + std::to_string(accumulator.promotion_interval));
      EXPECT_LT(distance(got, want), 0.05 * step * step + 1e-11);
      if (accumulator.mantissa_bits == 13)
        worst_of_13 = std::max(worst_of_13, distance(got, exact));
    }
    EXPECT_GT(worst_of_13, 1e-8);  // it did lose bits
    expect_bitwise_equal(multiply(ctx, a, kBf16, b, kBf16, {64, 13}),
                         multiply(ctx, a, kBf16, b, kBf16), "without scales nothing is short");
  });
}

TEST(Gemm, MismatchesAreNamed) {
  Ctx ctx = backend::make_context();
  const auto a = normal<float>({3, 8}), b = normal<float>({5, 10});
  Tensor<float> c({3, 5});
  Workspace::Scope scope(ctx.workspace());
  const GemmJob job{pack(ctx, scope, {a.v<2>()}, kBf16), pack(ctx, scope, {b.v<2>()}, kBf16),
                    c.v<2>()};
  try {
    gemm(ctx, {&job, 1});
    FAIL() << "accepted";
  } catch (const InternalError& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("a [3, 8] and b [5, 10]"));
  }
  EXPECT_THROW(gemm(ctx, {&job, 1}, {127, 23}), InternalError);
  PackedMatrix in_rows = job.b;
  in_rows.in_rows = true;
  Tensor<float> square({5, 5});
  const GemmJob wrong_side{in_rows, in_rows, square.v<2>()};
  EXPECT_THROW(gemm(ctx, {&wrong_side, 1}), InternalError);
}

}  // namespace
}  // namespace fathom::ops
