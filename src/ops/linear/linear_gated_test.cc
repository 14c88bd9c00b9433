// The hidden numbers of a feed-forward that never leave a core's caches, against the same in steps.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <utility>

#include "ops/elementwise/elementwise.h"
#include "ops/moe/moe.h"
#include "testing/expect.h"
#include "testing/for_each_isa.h"
#include "testing/packed_weights.h"
#include "testing/stored_weights.h"
#include "testing/tensor.h"

namespace fathom::ops {
namespace {

using testing::expect_bitwise_equal;
using testing::for_each_isa;
using testing::kPackedFormats;
using testing::name_of;
using testing::normal;
using testing::PackedWeights;
using testing::ScopedThreads;
using testing::StoredWeights;
using testing::Tensor;

/// y = down(silu(gate x) * up x), an op at a time.
Tensor<float> in_steps(Ctx& ctx, const Tensor<float>& x, const FfnWeights& w, LinearMode mode) {
  const i64 tokens = x.dim(0), width = w.gate_proj.rows;
  Tensor<float> gate({tokens, width}), up({tokens, width}), y({tokens, w.down_proj.rows});
  linear_forward(ctx, x.v<2>(), w.gate_proj, gate.v<2>(), mode);
  linear_forward(ctx, x.v<2>(), w.up_proj, up.v<2>(), mode);
  silu_mul_forward(ctx, gate.v<2>(), up.v<2>(), gate.v<2>());
  linear_forward(ctx, gate.v<2>(), w.down_proj, y.v<2>(), mode);
  return y;
}

void expect_equals_its_steps(Ctx& ctx, const Tensor<float>& x, const FfnWeights& w, LinearMode mode,
                             const std::string& what) {
  const Tensor<float> want = in_steps(ctx, x, w, mode);
  for (const int threads : {1, 2, 3}) {
    const ScopedThreads scoped(threads);
    Tensor<float> y({x.dim(0), w.down_proj.rows});
    ffn_forward(ctx, x.v<2>(), w, y.v<2>(), mode);
    expect_bitwise_equal(y, want,
                         what + ", tokens " + std::to_string(x.dim(0)) + ", width " +
                             std::to_string(w.gate_proj.rows) + ", threads " +
                             std::to_string(threads));
  }
}

constexpr i64 kGatedIn = 160;

/// fn(tokens, width) over awkward sizes.
template <typename Fn>
void for_gated_sizes(Fn&& fn) {
  for (const i64 tokens : {1, 7, 16, 17, 48, 49, 80, 96, 97, 193, 400}) fn(tokens, i64{70});
  for (const i64 width : {1, 16, 31, 32, 33, 127, 128, 129, 300}) fn(i64{50}, width);
}

TEST(LinearGated, StoredWeightsEqualTheirStepsBitwise) {
  for_each_isa([](Ctx& ctx) {
    for (const DType dtype : {DType::kBF16, DType::kF8E4M3}) {
      for (const Activations mode :
           {Activations::kBf16, Activations::kFp8, Activations::kFp8PowerOf2}) {
        for_gated_sizes([&](i64 tokens, i64 width) {
          const StoredWeights gate(normal<float>({width, kGatedIn}, 0.1, 1), dtype);
          const StoredWeights up(normal<float>({width, kGatedIn}, 0.1, 2), dtype);
          const StoredWeights down(normal<float>({9, width}, 0.1, 3), dtype);
          expect_equals_its_steps(ctx, normal<float>({tokens, kGatedIn}, 1.0, 4),
                                  {gate.ref(), up.ref(), down.ref()}, {mode, true},
                                  std::string(dtype_name(dtype)));
        });
      }
    }
  });
}

TEST(LinearGated, PackedIntegersEqualTheirStepsBitwise) {
  for_each_isa([](Ctx& ctx) {
    for (const auto& format : kPackedFormats) {
      for_gated_sizes([&](i64 tokens, i64 width) {
        const PackedWeights gate(normal<float>({width, kGatedIn}, 0.1, 1), format);
        const PackedWeights up(normal<float>({width, kGatedIn}, 0.1, 2), format);
        const PackedWeights down(normal<float>({9, width}, 0.1, 3), format);
        expect_equals_its_steps(ctx, normal<float>({tokens, kGatedIn}, 1.0, 4),
                                {gate.ref(), up.ref(), down.ref()}, {Activations::kInt8, true},
                                name_of(format));
      });
    }
  });
}

// Each side in a type of its own, and slices of FP8 weights whose blocks begin anywhere.
TEST(LinearGated, MixedTypesAndSlicesEqualTheirSteps) {
  for_each_isa([](Ctx& ctx) {
    const auto x = normal<float>({70, kGatedIn}, 1.0, 4);
    const StoredWeights gate(normal<float>({300, kGatedIn}, 0.1, 1), DType::kF8E4M3);
    const StoredWeights up(normal<float>({300, kGatedIn}, 0.1, 2), DType::kF8E4M3);
    const auto numbers = normal<float>({9, 150}, 0.1, 3);
    const StoredWeights bf16(numbers, DType::kBF16), fp8(numbers, DType::kF8E4M3),
        f32(numbers, DType::kF32);
    const PackedWeights int4(numbers, {4, 32});
    for (const i64 first : {0, 32, 77, 128}) {
      for (const MatRef& down : {bf16.ref(), fp8.ref(), f32.ref(), int4.ref()}) {
        for (const Activations mode : {Activations::kBf16, Activations::kFp8, Activations::kInt8}) {
          expect_equals_its_steps(
              ctx, x, {gate.ref().row_slice(first, 150), up.ref().row_slice(first, 150), down},
              {mode, true}, "from row " + std::to_string(first) + ", " + to_string(down));
        }
      }
    }
  });
}

TEST(LinearGated, NanReachesItsRowOnly) {
  for_each_isa([](Ctx& ctx) {
    for (const float bad :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      auto x = normal<float>({60, kGatedIn}, 1.0, 1);
      x[5 * kGatedIn + 100] = bad;
      const auto numbers = normal<float>({40, kGatedIn}, 0.1, 2),
                 last = normal<float>({9, 40}, 0.1, 3);
      const StoredWeights fp8(numbers, DType::kF8E4M3), fp8_down(last, DType::kF8E4M3);
      const PackedWeights int4(numbers, {4, 32}), int4_down(last, {4, 32});
      for (const auto& [w, down] :
           {std::pair{fp8.ref(), fp8_down.ref()}, std::pair{int4.ref(), int4_down.ref()}}) {
        Tensor<float> y({60, 9});
        const LinearMode mode(w.bits != 0 ? Activations::kInt8 : Activations::kBf16, true);
        ffn_forward(ctx, x.v<2>(), {w, w, down}, y.v<2>(), mode);
        for (i64 i = 0; i < y.size(); ++i) {
          EXPECT_EQ(std::isfinite(y[i]), i / 9 != 5) << to_string(w) << " at " << i;
        }
      }
    }
  });
}

}  // namespace
}  // namespace fathom::ops
