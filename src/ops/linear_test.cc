#include "ops/linear.h"

#include <gmock/gmock.h>

#include <limits>

#include "base/checked_math.h"
#include "base/error.h"
#include "kernels/ref/linear.h"
#include "ops/linear_test_weights.h"
#include "testing/expect.h"
#include "testing/for_each_isa.h"
#include "testing/tensor.h"

namespace fathom::ops {
namespace {

namespace ref = kernels::ref;
using testing::expect_bitwise_equal;
using testing::expect_close;
using testing::for_each_isa;
using testing::normal;
using testing::Tensor;

/// x as linear_forward sees it, in double.
Tensor<double> rounded_input(const Tensor<float>& x, DType dtype, Activations activations) {
  Tensor<double> result = x.to<double>();
  if (dtype == DType::kF32 || activations == Activations::kF32) return result;
  const bool quantised = dtype == DType::kF8E4M3 && activations != Activations::kBf16;
  for (i64 t = 0; t < x.dim(0); ++t) {
    for (i64 begin = 0; begin < x.dim(1); begin += kFp8Block) {
      const i64 end = std::min(x.dim(1), begin + kFp8Block);
      float amax = kFp8AmaxFloor;
      for (i64 i = begin; i < end; ++i) amax = std::max(amax, std::abs(x[t * x.dim(1) + i]));
      float scale = amax / kE4m3Max;
      if (activations == Activations::kFp8PowerOf2) scale = ceil_to_power_of_two(scale);
      for (i64 i = t * x.dim(1) + begin; i < t * x.dim(1) + end; ++i) {
        result[i] = quantised ? static_cast<double>(static_cast<float>(Fp8E4M3(x[i] / scale))) *
                                    static_cast<double>(scale)
                              : static_cast<double>(static_cast<float>(Bf16(x[i])));
      }
    }
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
        for (const i64 in : {1, 3, 4, 7, 8, 9, 15, 16, 17, 63, 64, 65, 127, 128, 129, 160, 192, 257}) {
          expect_matches_reference(ctx, 3, in, 5, dtype, mode);
        }
        for (const i64 out : {1, 2, 3, 4, 7, 8, 9, 31, 129}) {
          expect_matches_reference(ctx, 2, 131, out, dtype, mode);
        }
        for (const i64 tokens : {1, 2, 4, 5, 6, 7, 8, 9, 33}) {
          expect_matches_reference(ctx, tokens, 144, 11, dtype, mode);
        }
        expect_matches_reference(ctx, 17, 576, 136, dtype, mode);
      }
    }
  });
}

}  // namespace
}  // namespace fathom::ops
