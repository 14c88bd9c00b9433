// Several products in one parallel region are the single ones, bit for bit.
#include <gtest/gtest.h>

#include <array>

#include "ops/linear/linear.h"
#include "testing/expect.h"
#include "testing/for_each_isa.h"
#include "testing/packed_weights.h"
#include "testing/stored_weights.h"
#include "testing/tensor.h"

namespace fathom::ops {
namespace {

using testing::expect_bitwise_equal;
using testing::for_each_isa;
using testing::normal;
using testing::PackedWeights;
using testing::StoredWeights;
using testing::Tensor;

constexpr i64 kHeads = 3, kNope = 20, kValue = 12, kRank = 160;
constexpr Activations kHeadModes[] = {Activations::kF32, Activations::kBf16, Activations::kInt8};

/// kv_b_proj of three heads, in three types.
struct HeadWeights {
  StoredWeights bf16{normal<float>({kHeads * (kNope + kValue), kRank}, 0.1, 1), DType::kBF16};
  StoredWeights fp8{normal<float>({kHeads * (kNope + kValue), kRank}, 0.1, 1), DType::kF8E4M3};
  PackedWeights int4{normal<float>({kHeads * (kNope + kValue), kRank}, 0.1, 1), {4, 32}};
  std::array<MatRef, 3> all() const { return {bf16.ref(), fp8.ref(), int4.ref()}; }
};

template <typename T>
View<T, 2> head_of(View<T, 3> x, i64 head) {
  return {x.data() + head * x.stride(1), {x.dim(0), x.dim(2)}, {x.stride(0), 1}};
}

TEST(LinearHeads, EqualOneProductAHead) {
  for_each_isa([](Ctx& ctx) {
    const HeadWeights weights;
    for (const MatRef& w : weights.all()) {
      for (const Activations mode : kHeadModes) {
        for (const i64 tokens : {1, 2, 9}) {
          const auto context = normal<float>({tokens, kHeads, kRank}, 1.0, 2);
          const auto query = normal<float>({tokens, kHeads, kNope + 8}, 1.0, 3);
          Tensor<float> value({tokens, kHeads, kValue}), want_value({tokens, kHeads, kValue});
          Tensor<float> latent({tokens, kHeads, kRank}), want_latent({tokens, kHeads, kRank});
          const auto nope = query.v<3>().slice(2, 0, kNope);
          linear_heads_forward(ctx, context.v<3>(), w,
                               {.first = kNope, .count = kValue, .step = kNope + kValue},
                               value.v<3>(), mode);
          linear_transposed_heads_forward(ctx, nope, w,
                                          {.first = 0, .count = kNope, .step = kNope + kValue},
                                          latent.v<3>(), mode);
          for (i64 h = 0; h < kHeads; ++h) {
            const i64 row = h * (kNope + kValue);
            linear_forward(ctx, head_of(context.v<3>(), h), w.row_slice(row + kNope, kValue),
                           head_of(want_value.v<3>(), h), mode);
            linear_transposed_forward(ctx, head_of(nope, h), w.row_slice(row, kNope),
                                      head_of(want_latent.v<3>(), h), mode);
          }
          expect_bitwise_equal(value, want_value, to_string(w));
          expect_bitwise_equal(latent, want_latent, to_string(w));
        }
      }
    }
  });
}

TEST(LinearHeads, SeveralOutputsOfOneInput) {
  for_each_isa([](Ctx& ctx) {
    const HeadWeights weights;
    const auto x = normal<float>({5, kRank}, 1.0, 2);
    for (const Activations mode : kHeadModes) {
      std::array<Tensor<float>, 3> got, want;
      std::array<LinearOutput, 3> outputs;
      const auto all = weights.all();
      for (size_t i = 0; i < all.size(); ++i) {
        got[i] = want[i] = Tensor<float>({5, all[i].rows});
        outputs[i] = {all[i], got[i].v<2>()};
        linear_forward(ctx, x.v<2>(), all[i], want[i].v<2>(), mode);
      }
      linears_forward(ctx, x.v<2>(), outputs, mode);
      for (size_t i = 0; i < all.size(); ++i) expect_bitwise_equal(got[i], want[i]);
    }
  });
}

}  // namespace
}  // namespace fathom::ops
