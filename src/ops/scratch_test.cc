#include <gtest/gtest.h>

#include "ops/moe/moe.h"
#include "testing/for_each_isa.h"
#include "testing/tensor.h"

namespace fathom {
namespace {

// Scratch goes back when an op returns, and a second call of a shape grows nothing.
TEST(Scratch, GoesBackWhenAnOpReturns) {
  testing::for_each_isa([](Ctx& ctx) {
    const auto x = testing::normal<float>({40, 300}), gate = testing::normal<float>({70, 300});
    const auto down = testing::normal<float>({300, 70});
    testing::Tensor<float> y({40, 300}), weights({40, 1});
    testing::Tensor<i32> indices({40, 1});
    const ops::FfnWeights expert{MatRef(gate.v<2>()), MatRef(gate.v<2>()), MatRef(down.v<2>())};
    i64 grown = 0;
    for (int call = 0; call < 2; ++call) {
      ops::moe_experts_forward(ctx, x.v<2>(), {&expert, 1}, indices.v<2>(), weights.v<2>(),
                               y.v<2>(), ops::Activations::kF32);
      EXPECT_EQ(ctx.workspace().used_bytes(), 0);
      if (call > 0) {
        EXPECT_EQ(ctx.workspace().capacity_bytes(), grown);
      }
      grown = ctx.workspace().capacity_bytes();
    }
    EXPECT_GE(ctx.workspace().high_water_bytes(), 40 * 2 * 70 * 4);
  });
}

}  // namespace
}  // namespace fathom
