#include "ops/linear/linear.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>

#include "backend/backend.h"
#include "base/checked_math.h"
#include "base/error.h"
#include "base/parallel.h"
#include "kernels/ref/linear.h"
#include "kernels/ref/quantize.h"
#include "testing/expect.h"
#include "testing/for_each_isa.h"
#include "testing/special_values.h"
#include "testing/stored_weights.h"
#include "testing/tensor.h"

namespace fathom::ops {
namespace {

namespace ref = kernels::ref;
using testing::expect_bitwise_equal;
using testing::expect_close;
using testing::for_each_isa;
using testing::kNan;
using testing::normal;
using testing::StoredWeights;
using testing::Tensor;

/// x as linear_forward sees it, in double.
Tensor<double> rounded_input(const Tensor<float>& x, DType dtype, Activations activations) {
  if (dtype == DType::kF32 || activations == Activations::kF32) return x.to<double>();
  Tensor<double> result({x.dim(0), x.dim(1)});
  if (dtype == DType::kF8E4M3 && activations != Activations::kBf16) {
    ref::quantize_tiles<double>(x.v<2>(), activations == Activations::kFp8PowerOf2, result.v<2>());
  } else {
    ref::round_bf16<double>(x.v<2>(), result.v<2>());
  }
  return result;
}

constexpr DType kDTypes[] = {DType::kF32, DType::kBF16, DType::kF8E4M3};
constexpr Activations kModes[] = {Activations::kF32, Activations::kBf16, Activations::kFp8,
                                  Activations::kFp8PowerOf2};

void expect_matches_reference(Ctx& ctx, i64 tokens, i64 in, i64 out, DType dtype,
                              Activations activations) {
  const auto x = normal<float>({tokens, in}, 1.0, 1);
  const StoredWeights w(normal<float>({out, in}, 0.02, 2), dtype);
  Tensor<float> y({tokens, out});
  Tensor<double> want({tokens, out});
  linear_forward(ctx, x.v<2>(), w.ref(), y.v<2>(), activations);
  const auto exact_x = rounded_input(x, dtype, activations);
  const auto exact_w = w.exact();
  ref::linear_forward<double>(exact_x.v<2>(), exact_w.v<2>(), want.v<2>());
  expect_close(y, want, {.rel = kLinearRelTol},
               std::string(dtype_name(dtype)) + " mode " +
                   std::to_string(static_cast<int>(activations)) + " tokens " +
                   std::to_string(tokens) + " in " + std::to_string(in) + " out " +
                   std::to_string(out));
}

TEST(Linear, EveryIsaMatchesReference) {
  for_each_isa([](Ctx& ctx) {
    for (const DType dtype : kDTypes) {
      for (const Activations mode : kModes) {
        for (const i64 in : {1,  3,   4,   7,   8,   9,   15,  16,  17,  63,  64,
                             65, 127, 128, 129, 160, 192, 257, 384, 511, 900, 1024}) {
          expect_matches_reference(ctx, 3, in, 5, dtype, mode);
        }
        for (const i64 out : {1, 2, 3, 4, 7, 8, 9, 31, 129}) {
          expect_matches_reference(ctx, 2, 131, out, dtype, mode);
        }
        for (const i64 tokens : {1, 2, 4, 5, 6, 7, 8, 9, 33}) {
          expect_matches_reference(ctx, tokens, 144, 11, dtype, mode);
        }
        for (const i64 in : {1, 31, 127, 128, 300, 640, 900}) {  // one token has a tile of its own
          expect_matches_reference(ctx, 1, in, 7, dtype, mode);
        }
        expect_matches_reference(ctx, 17, 576, 136, dtype, mode);
      }
    }
  });
}

/// Rows [begin, begin + count) of a matrix.
Tensor<float> rows_of(const Tensor<float>& x, i64 begin, i64 count) {
  Tensor<float> r({count, x.dim(1)});
  std::copy_n(x.data() + begin * x.dim(1), r.size(), r.data());
  return r;
}

// The hard promise: y[t] is the same bits alone, in any batch, in any row of it, for any number
// of threads. 600 tokens need more than one token block at this width.
TEST(Linear, ATokenIsBitwiseTheSameInAnyBatch) {
  for_each_isa([](Ctx& ctx) {
    for (const DType dtype : kDTypes) {
      for (const Activations mode : {Activations::kF32, Activations::kBf16, Activations::kFp8}) {
        for (const i64 in : {i64{5}, i64{200}, i64{1100}}) {
          const i64 tokens = in == 1100 ? 600 : 33, out = 19;
          const auto x = normal<float>({tokens, in});
          const StoredWeights w(normal<float>({out, in}, 0.02, 2), dtype);
          Tensor<float> all({tokens, out});
          linear_forward(ctx, x.v<2>(), w.ref(), all.v<2>(), mode);
          for (const i64 count : {1, 2, 3, 4, 5, 7, 8, 9, 16, 33}) {
            for (const i64 begin : {i64{0}, tokens - count, (tokens - count) / 2}) {
              Tensor<float> some({count, out});
              linear_forward(ctx, x.v<2>().slice(0, begin, count), w.ref(), some.v<2>(), mode);
              expect_bitwise_equal(some, rows_of(all, begin, count),
                                   std::string(dtype_name(dtype)) + " " + std::to_string(count) +
                                       " tokens from " + std::to_string(begin));
            }
          }
        }
      }
    }
  });
}

TEST(Linear, ThreadsChangeNothing) {
  for_each_isa([](Ctx& ctx) {
    for (const DType dtype : kDTypes) {
      for (const i64 tokens : {1, 9, 40}) {
        const auto x = normal<float>({tokens, 520});
        const StoredWeights w(normal<float>({333, 520}, 0.02, 2), dtype);
        Tensor<float> one({tokens, 333}), many({tokens, 333});
        const testing::ScopedThreads scoped(1);
        linear_forward(ctx, x.v<2>(), w.ref(), one.v<2>(), Activations::kBf16);
        for (const int threads : {2, 3, 7}) {
          set_num_threads(threads);
          many = Tensor<float>({tokens, 333});
          linear_forward(ctx, x.v<2>(), w.ref(), many.v<2>(), Activations::kBf16);
          expect_bitwise_equal(many, one, std::to_string(threads) + " threads");
        }
      }
    }
  });
}

// A slice that starts inside a scale block, as the heads of kv_b_proj do.
TEST(Linear, RowSlicesOfBlockScaledWeights) {
  for_each_isa([](Ctx& ctx) {
    const auto x = normal<float>({6, 300});
    const StoredWeights w(normal<float>({400, 300}, 0.02, 2), DType::kF8E4M3);
    Tensor<float> all({6, 400});
    linear_forward(ctx, x.v<2>(), w.ref(), all.v<2>(), Activations::kFp8);
    for (const auto& [begin, count] :
         {std::pair<i64, i64>{100, 200}, {127, 2}, {128, 128}, {250, 150}, {399, 1}}) {
      Tensor<float> part({6, count});
      linear_forward(ctx, x.v<2>(), w.ref().row_slice(begin, count), part.v<2>(),
                     Activations::kFp8);
      for (i64 i = 0; i < part.size(); ++i) {
        ASSERT_EQ(part[i], all[i / count * 400 + begin + i % count]) << begin << " " << i;
      }
    }
  });
}

TEST(Linear, StridedInputAndOutputLeaveTheRestAlone) {
  for_each_isa([](Ctx& ctx) {
    for (const DType dtype : kDTypes) {
      const auto wide = normal<float>({3, 90});
      Tensor<float> x({3, 70}), y({3, 6}), wide_y({3, 10});
      for (i64 i = 0; i < x.size(); ++i) x[i] = wide[i / 70 * 90 + 11 + i % 70];
      const StoredWeights w(normal<float>({6, 70}, 0.1, 2), dtype);
      linear_forward(ctx, x.v<2>(), w.ref(), y.v<2>(), Activations::kBf16);
      linear_forward(ctx, wide.v<2>().slice(1, 11, 70), w.ref(), wide_y.v<2>().slice(1, 3, 6),
                     Activations::kBf16);
      for (i64 i = 0; i < wide_y.size(); ++i) {
        const i64 col = i % 10 - 3;
        EXPECT_EQ(wide_y[i], col >= 0 && col < 6 ? y[i / 10 * 6 + col] : 0.0f);
      }
    }
  });
}

// Every E4M3 code times one, through the table look-up of each set: NaN and subnormals included.
TEST(Linear, EveryFp8CodeIsExact) {
  for_each_isa([](Ctx& ctx) {
    const i64 in = 512;
    StoredWeights w(normal<float>({256, in}), DType::kF8E4M3);
    for (i64 i = 0; i < 256 * in; ++i) w.codes()[static_cast<size_t>(i)].bits = 0;
    for (i64 o = 0; o < 256; ++o) {  // row o holds code o, each in another lane of the vector
      w.codes()[static_cast<size_t>(o * in + (o * 7 + o / 64) % in)].bits = static_cast<u8>(o);
    }
    for (i64 i = 0; i < w.scale().size(); ++i) w.scale()[i] = 1.0f;
    for (const i64 tokens : {1, 6}) {  // decoded in registers, decoded into scratch
      for (const Activations mode : {Activations::kF32, Activations::kBf16}) {
        Tensor<float> x({tokens, in}), y({tokens, 256});
        for (i64 i = 0; i < x.size(); ++i) x[i] = 1.0f;
        linear_forward(ctx, x.v<2>(), w.ref(), y.v<2>(), mode);
        for (i64 i = 0; i < y.size(); ++i) {
          const float want = static_cast<float>(Fp8E4M3::from_bits(static_cast<u8>(i % 256)));
          ASSERT_TRUE(std::isnan(want) ? std::isnan(y[i]) : y[i] == want)
              << "code " << i % 256 << ": " << y[i] << ", want " << want;
        }
      }
    }
  });
}

// A NaN or an infinity in one token or one weight row stays in its row and column.
TEST(Linear, PoisonDoesNotSpread) {
  for_each_isa([](Ctx& ctx) {
    for (const DType dtype : kDTypes) {
      for (const Activations mode : kModes) {
        for (const i64 tokens : {3, 9}) {
          auto x = normal<float>({tokens, 150});
          StoredWeights w(normal<float>({10, 150}, 0.02, 2), dtype);
          Tensor<float> clean({tokens, 10}), y({tokens, 10});
          linear_forward(ctx, x.v<2>(), w.ref(), clean.v<2>(), mode);
          x[150 + 149] = kNan;
          if (dtype == DType::kF32) w.f32()[4 * 150 + 3] = kNan;
          if (dtype == DType::kBF16) w.bf16()[4 * 150 + 3] = Bf16(kNan);
          if (dtype == DType::kF8E4M3) w.codes()[4 * 150 + 3] = Fp8E4M3(kNan);
          linear_forward(ctx, x.v<2>(), w.ref(), y.v<2>(), mode);
          for (i64 i = 0; i < y.size(); ++i) {
            const bool poisoned = i / 10 == 1 || i % 10 == 4;
            ASSERT_TRUE(poisoned ? std::isnan(y[i]) : y[i] == clean[i]) << i << " " << y[i];
          }
        }
      }
    }
  });
}

TEST(Linear, ExtremeScales) {
  for_each_isa([](Ctx& ctx) {
    for (const double scale : {1e-12, 1e12}) {
      const auto x = normal<float>({6, 300}, 1.0 / scale);
      const StoredWeights w(normal<float>({10, 300}, scale, 2), DType::kF8E4M3);
      Tensor<float> y({6, 10});
      Tensor<double> want({6, 10});
      linear_forward(ctx, x.v<2>(), w.ref(), y.v<2>(), Activations::kFp8);
      const auto exact_x = rounded_input(x, DType::kF8E4M3, Activations::kFp8);
      const auto exact_w = w.exact();
      ref::linear_forward<double>(exact_x.v<2>(), exact_w.v<2>(), want.v<2>());
      expect_close(y, want, {.rel = kLinearRelTol}, "scale " + std::to_string(scale));
    }
  });
}

TEST(LinearTransposed, EveryIsaMatchesReference) {
  constexpr i64 kOut = 130, kFirst = 100, kTokens = 5;
  for (const DType dtype : kDTypes) {
    for (const i64 in : {1, 3, 15, 16, 17, 63, 64, 65, 127, 129, 192, 512}) {
      const StoredWeights w(normal<float>({kFirst + kOut, in}, 0.02, 2), dtype);
      const MatRef slice = w.ref().row_slice(kFirst, kOut);
      const auto exact_w = w.exact();
      const auto x = normal<float>({kTokens, kOut});
      for (const Activations mode : {Activations::kF32, Activations::kBf16}) {
        const auto exact_x = rounded_input(x, dtype, mode);
        Tensor<double> want({kTokens, in});
        ref::linear_transposed_forward<double>(exact_x.v<2>(),
                                               exact_w.v<2>().slice(0, kFirst, kOut), want.v<2>());
        for_each_isa([&](Ctx& ctx) {
          Tensor<float> y({kTokens, in});
          linear_transposed_forward(ctx, x.v<2>(), slice, y.v<2>(), mode);
          expect_close(y, want, {.rel = kLinearRelTol}, "in " + std::to_string(in));
          for (const i64 count : {1, 2}) {  // the same bits among other rows
            Tensor<float> some({count, in});
            linear_transposed_forward(ctx, x.v<2>().slice(0, 2, count), slice, some.v<2>(), mode);
            expect_bitwise_equal(some, rows_of(y, 2, count));
          }
        });
      }
    }
  }
}

TEST(Linear, MisuseNamesTheShapes) {
  Ctx ctx = backend::make_context();
  Tensor<float> x({2, 8}), y({2, 5}), bad_y({3, 5});
  const StoredWeights w(normal<float>({5, 8}), DType::kF32),
      other(normal<float>({5, 9}), DType::kF32);
  const auto message = [&](const MatRef& weight, View<float, 2> out) -> std::string {
    try {
      linear_forward(ctx, x.v<2>(), weight, out, Activations::kF32);
    } catch (const std::exception& error) {
      return error.what();
    }
    return "accepted";
  };
  using ::testing::HasSubstr;
  EXPECT_THAT(message(other.ref(), y.v<2>()), HasSubstr("x [2, 8] vs weight [5, 9] F32"));
  EXPECT_THAT(message(w.ref(), bad_y.v<2>()),
              HasSubstr("y [3, 5] vs x [2, 8] and weight [5, 8] F32"));
  MatRef half = w.ref();
  half.dtype = DType::kF16;
  EXPECT_THAT(message(half, y.v<2>()), HasSubstr("linear_forward: weight [5, 8] F16 is stored in"));
  half.dtype = DType::kF8E4M3;
  EXPECT_THAT(message(half, y.v<2>()), HasSubstr("has no block scales"));
}

}  // namespace
}  // namespace fathom::ops
