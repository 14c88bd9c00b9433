// Weights packed as integers: every product that takes them, on every instruction set.
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "backend/backend.h"
#include "base/checked_math.h"
#include "kernels/ref/linear.h"
#include "kernels/ref/quantize.h"
#include "ops/linear/linear.h"
#include "ops/quantize/quantize.h"
#include "testing/expect.h"
#include "testing/for_each_isa.h"
#include "testing/packed_weights.h"
#include "testing/stored_weights.h"
#include "testing/tensor.h"

namespace fathom::ops {
namespace {

namespace ref = kernels::ref;
using testing::expect_bitwise_equal;
using testing::expect_close;
using testing::for_each_isa;
using testing::kPackedFormats;
using testing::name_of;
using testing::normal;
using testing::PackedFormat;
using testing::PackedWeights;
using testing::ScopedThreads;
using testing::Tensor;

/// x as the product sees it, in double.
Tensor<double> rounded_input(const Tensor<float>& x, i64 group, Activations activations) {
  if (activations == Activations::kF32) return x.to<double>();
  Tensor<double> result({x.dim(0), x.dim(1)});
  if (activations == Activations::kInt8) {
    ref::quantize_int8_groups<double>(x.v<2>(), group, result.v<2>());
  } else {
    ref::round_bf16<double>(x.v<2>(), result.v<2>());
  }
  return result;
}

void expect_matches_reference(Ctx& ctx, i64 tokens, i64 in, i64 out, PackedFormat format,
                              Activations activations) {
  const auto x = normal<float>({tokens, in}, 1.0, 1);
  const PackedWeights w(normal<float>({out, in}, 0.02, 2), format);
  Tensor<float> y({tokens, out});
  Tensor<double> want({tokens, out});
  linear_forward(ctx, x.v<2>(), w.ref(), y.v<2>(), activations);
  const auto exact_x = rounded_input(x, format.group, activations);
  const auto exact_w = w.exact();
  ref::linear_forward<double>(exact_x.v<2>(), exact_w.v<2>(), want.v<2>());
  expect_close(y, want, {.rel = kLinearRelTol},
               name_of(format) + " mode " + std::to_string(static_cast<int>(activations)) +
                   " tokens " + std::to_string(tokens) + " in " + std::to_string(in) + " out " +
                   std::to_string(out));
}

TEST(PackedLinear, EveryIsaMatchesReference) {
  for_each_isa([](Ctx& ctx) {
    for (const PackedFormat& format : kPackedFormats) {
      for (const Activations mode : {Activations::kF32, Activations::kBf16, Activations::kInt8}) {
        for (const i64 in :
             {1, 7, 8, 31, 32, 33, 63, 64, 65, 96, 127, 128, 129, 160, 257, 1024, 1030, 1408}) {
          expect_matches_reference(ctx, 3, in, 5, format, mode);
        }
        for (const i64 tokens : {1, 2, 7, 8, 9, 127}) {
          expect_matches_reference(ctx, tokens, 192, 13, format, mode);
        }
        for (const i64 out : {1, 2, 3, 4, 7, 8, 9, 129}) {
          expect_matches_reference(ctx, 2, 131, out, format, mode);
        }
      }
    }
  });
}

// The largest products of all: sums of pairs of bytes in 16 bits must hold them.
TEST(PackedLinear, LargestCodesDoNotSaturate) {
  constexpr i64 kIn = 320, kOut = 9, kTokens = 21;
  for_each_isa([](Ctx& ctx) {
    for (const PackedFormat& format : kPackedFormats) {
      for (const float sign : {-1.0f, 1.0f}) {
        Tensor<float> x({kTokens, kIn});
        for (i64 i = 0; i < x.size(); ++i) x[i] = sign;
        PackedWeights w(normal<float>({kOut, kIn}, 1.0, 2), format);
        const i64 words = w.packed().dim(1);  // of nothing but the lowest or the highest code
        for (i64 i = 0; i < kOut * words; ++i) w.packed()[i] = i / words % 2 == 0 ? 0u : ~0u;
        const auto exact_w = w.exact();
        const auto exact_x = rounded_input(x, format.group, Activations::kInt8);
        Tensor<double> want({kTokens, kOut});
        ref::linear_forward<double>(exact_x.v<2>(), exact_w.v<2>(), want.v<2>());
        for (const i64 tokens : {i64{1}, i64{2}, i64{5}, kTokens}) {
          for (const bool prefill : {false, true}) {
            Tensor<float> y({tokens, kOut});
            Tensor<double> some({tokens, kOut});
            std::copy_n(want.data(), some.size(), some.data());
            linear_forward(ctx, x.v<2>().slice(0, 0, tokens), w.ref(), y.v<2>(),
                           LinearMode(Activations::kInt8, prefill));
            expect_close(y, some, {.rel = kLinearRelTol},
                         name_of(format) + ", tokens " + std::to_string(tokens) +
                             (prefill ? ", prefill" : ""));
          }
        }
      }
    }
  });
}

TEST(PackedLinear, DependsOnNothingButTheRow) {
  for_each_isa([](Ctx& ctx) {
    for (const PackedFormat& format : kPackedFormats) {
      const auto x = normal<float>({17, 320}, 1.0, 1);
      const PackedWeights w(normal<float>({67, 320}, 0.02, 2), format);
      Tensor<float> all({17, 67});
      linear_forward(ctx, x.v<2>(), w.ref(), all.v<2>(), Activations::kInt8);
      for (const int threads : {1, 2, 7}) {
        const ScopedThreads scoped(threads);
        Tensor<float> again({17, 67});
        linear_forward(ctx, x.v<2>(), w.ref(), again.v<2>(), Activations::kInt8);
        expect_bitwise_equal(again, all, name_of(format) + ", threads");
      }
      for (i64 t = 0; t < 17; ++t) {
        Tensor<float> alone({1, 67}), want({1, 67});
        linear_forward(ctx, x.v<2>().slice(0, t, 1), w.ref(), alone.v<2>(), Activations::kInt8);
        std::copy_n(all.data() + t * 67, 67, want.data());
        expect_bitwise_equal(alone, want, name_of(format) + ", one token");
      }
    }
  });
}

// A mixed model: what is no integer sees BF16 inputs when the integers see INT8 ones,
// whatever it is multiplied beside; and the other way round.
TEST(PackedLinear, OtherWeightsBesideIntegers) {
  for_each_isa([](Ctx& ctx) {
    const auto x = normal<float>({33, 200}, 1.0, 1);
    const auto values = normal<float>({19, 200}, 0.02, 2);
    const PackedWeights packed(values, {4, 32});
    for (const DType dtype : {DType::kF8E4M3, DType::kBF16, DType::kF32}) {
      const testing::StoredWeights other(values, dtype);
      for (const bool prefill : {false, true}) {
        const auto product = [&](const MatRef& w, Activations activations) {
          Tensor<float> y({33, 19});
          linear_forward(ctx, x.v<2>(), w, y.v<2>(), LinearMode(activations, prefill));
          return y;
        };
        const auto want = product(other.ref(), Activations::kBf16);
        const auto want_packed = product(packed.ref(), Activations::kInt8);
        const std::string where = std::string(dtype_name(dtype)) + (prefill ? ", prefill" : "");
        expect_bitwise_equal(product(other.ref(), Activations::kInt8), want, where);
        expect_bitwise_equal(product(packed.ref(), Activations::kFp8),
                             product(packed.ref(), Activations::kBf16), where);
        Tensor<float> first({33, 19}), second({33, 19}), third({33, 19});
        const LinearOutput outputs[] = {{other.ref(), first.v<2>()},
                                        {packed.ref(), second.v<2>()},
                                        {other.ref(), third.v<2>()}};
        linears_forward(ctx, x.v<2>(), outputs, LinearMode(Activations::kInt8, prefill));
        expect_bitwise_equal(first, want, where + ", first of three");
        expect_bitwise_equal(second, want_packed, where + ", packed");
        expect_bitwise_equal(third, want, where + ", last of three");
      }
    }
  });
}

TEST(PackedLinear, NanReachesItsRowOnly) {
  for_each_isa([](Ctx& ctx) {
    for (const PackedFormat& format : kPackedFormats) {
      for (const float bad :
           {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
        auto x = normal<float>({3, 192}, 1.0, 1);
        x[192 + 150] = bad;
        const PackedWeights w(normal<float>({9, 192}, 0.02, 2), format);
        Tensor<float> y({3, 9});
        linear_forward(ctx, x.v<2>(), w.ref(), y.v<2>(), Activations::kInt8);
        for (i64 i = 0; i < y.size(); ++i) {
          EXPECT_EQ(std::isnan(y[i]), i / 9 == 1) << name_of(format) << " at " << i;
        }
      }
      auto nan_weights = normal<float>({9, 192}, 0.02, 2);
      nan_weights[4 * 192 + 10] = std::numeric_limits<float>::quiet_NaN();
      const PackedWeights w(nan_weights, format);
      const auto x = normal<float>({3, 192}, 1.0, 1);
      Tensor<float> y({3, 9});
      linear_forward(ctx, x.v<2>(), w.ref(), y.v<2>(), Activations::kInt8);
      for (i64 i = 0; i < y.size(); ++i) {
        EXPECT_EQ(std::isnan(y[i]), i % 9 == 4) << name_of(format) << " at " << i;
      }
    }
  });
}

TEST(PackedLinear, ExtremeScales) {
  for_each_isa([](Ctx& ctx) {
    for (const PackedFormat& format : kPackedFormats) {
      if (format.scales != DType::kBF16) continue;  // F16 ends at 65504
      for (const float factor : {1e-25f, 1e-12f, 1e12f, 1e25f}) {
        auto x = normal<float>({2, 160}, 1.0, 1);
        for (i64 i = 0; i < x.size(); ++i) x[i] *= factor;
        auto numbers = normal<float>({6, 160}, 1.0, 2);
        for (i64 i = 0; i < numbers.size(); ++i) numbers[i] /= factor;
        const PackedWeights w(numbers, format);
        Tensor<float> y({2, 6});
        Tensor<double> want({2, 6});
        linear_forward(ctx, x.v<2>(), w.ref(), y.v<2>(), Activations::kInt8);
        const auto exact_x = rounded_input(x, format.group, Activations::kInt8);
        const auto exact_w = w.exact();
        ref::linear_forward<double>(exact_x.v<2>(), exact_w.v<2>(), want.v<2>());
        expect_close(y, want, {.rel = kLinearRelTol}, name_of(format));
      }
      Tensor<float> zeros({2, 160}), y({2, 6});
      const PackedWeights w(normal<float>({6, 160}, 1.0, 2), format);
      linear_forward(ctx, zeros.v<2>(), w.ref(), y.v<2>(), Activations::kInt8);
      for (i64 i = 0; i < y.size(); ++i) EXPECT_EQ(y[i], 0.0f);
    }
  });
}

TEST(PackedLinear, OtherGroupsAreRefused) {
  Ctx ctx = backend::make_context();
  const PackedWeights w(normal<float>({8, 64}, 0.02, 2), kPackedFormats[0]);
  MatRef other = w.ref();
  other.group_size = 64;
  Tensor<float> x({1, 64}), y({1, 8});
  EXPECT_THROW(linear_forward(ctx, x.v<2>(), other, y.v<2>(), Activations::kF32), InternalError);
}

TEST(PackedLinear, RowSlicesAndTransposedAndDecoding) {
  for_each_isa([](Ctx& ctx) {
    for (const PackedFormat& format : kPackedFormats) {
      for (const i64 in : {5, 64, 129, 192}) {
        const PackedWeights w(normal<float>({40, in}, 0.02, 2), format);
        const auto exact = w.exact();
        const MatRef part = w.ref().row_slice(13, 21);
        const auto x = normal<float>({3, in}, 1.0, 1);
        Tensor<float> whole({3, 40}), sliced({3, 21}), want({3, 21});
        linear_forward(ctx, x.v<2>(), w.ref(), whole.v<2>(), Activations::kInt8);
        linear_forward(ctx, x.v<2>(), part, sliced.v<2>(), Activations::kInt8);
        for (i64 i = 0; i < want.size(); ++i) want[i] = whole[i / 21 * 40 + 13 + i % 21];
        expect_bitwise_equal(sliced, want, name_of(format));

        Tensor<float> decoded({21, in});
        dequantize(ctx, part, decoded.v<2>());
        for (i64 i = 0; i < decoded.size(); ++i) {
          ASSERT_EQ(static_cast<double>(decoded[i]), exact[13 * in + i]) << name_of(format);
        }
        const auto dy = normal<float>({2, 40}, 1.0, 3);
        Tensor<float> back({2, in});
        Tensor<double> want_back({2, in});
        linear_transposed_forward(ctx, dy.v<2>(), w.ref(), back.v<2>(), Activations::kF32);
        const auto exact_dy = dy.to<double>();
        ref::linear_transposed_forward<double>(exact_dy.v<2>(), exact.v<2>(), want_back.v<2>());
        expect_close(back, want_back, {.rel = kLinearRelTol}, name_of(format));
      }
    }
  });
}

TEST(QuantizeGroups, ErrorIsBounded) {
  Ctx ctx = backend::make_context();
  for (const PackedFormat& format : kPackedFormats) {
    if (format.scales != DType::kBF16 || format.has_minima) continue;  // not what it makes
    const auto w = normal<float>({16, 256}, 0.02, 5);
    const auto exact = PackedWeights(w, format).exact();
    double squared = 0.0, norm = 0.0;
    for (i64 i = 0; i < w.size(); ++i) {
      const double value = static_cast<double>(w[i]);
      squared += (value - exact[i]) * (value - exact[i]);
      norm += value * value;
    }
    // A step is amax / 2^(bits-1); amax of 32 to 128 normals lies at 2 to 3 deviations.
    const double bound = format.bits == 8 ? 0.008 : 0.12;
    EXPECT_LT(std::sqrt(squared / norm), bound) << name_of(format);
    EXPECT_GT(std::sqrt(squared / norm), bound / 10) << name_of(format);
  }
}

}  // namespace
}  // namespace fathom::ops
