#include "model/training/precision.h"

#include <gtest/gtest.h>

namespace fathom::model::training {
namespace {

using ops::GemmFormat;
using ops::GemmScaling;

const Parameter kLinear = {.name = "model.layers.1.mlp.up_proj.weight",
                           .kind = ParameterKind::kMatrix};
const Parameter kRouter = {.name = "model.layers.1.mlp.gate.weight",
                           .kind = ParameterKind::kMatrixBf16};
const Parameter kHead = {.name = "lm_head.weight", .kind = ParameterKind::kMatrixBf16};

// Every setting is another one than its neighbours'.
TEST(Precision, EachOperandHasItsOwnSettings) {
  PrecisionConfig config;
  config.mode = TrainPrecision::kFp8;
  config.fp8_weight_scaling = Fp8Scaling::kBlock;
  config.fp8_activation_scaling = Fp8Scaling::kTile;
  config.fp8_gradient_scaling = Fp8Scaling::kChannel;
  config.fp8_gradient_format = Fp8Format::kE5m2;
  config.fp8_static_weight_amax = 1.0;
  config.fp8_static_activation_amax = 2.0;
  config.fp8_static_gradient_amax = 3.0;
  const Precision precision(config);
  const LinearRounding& linear = precision.of(kLinear);
  EXPECT_EQ(linear.weight.format, GemmFormat::kE4m3);
  EXPECT_EQ(linear.activation.format, GemmFormat::kE4m3);
  EXPECT_EQ(linear.gradient.format, GemmFormat::kE5m2);
  EXPECT_EQ(linear.weight.scaling, GemmScaling::kBlock);
  EXPECT_EQ(linear.activation.scaling, GemmScaling::kTile);
  EXPECT_EQ(linear.gradient.scaling, GemmScaling::kRow);
  EXPECT_EQ(linear.weight.static_amax, 1.0f);
  EXPECT_EQ(linear.activation.static_amax, 2.0f);
  EXPECT_EQ(linear.gradient.static_amax, 3.0f);
}

TEST(Precision, TheRouterIsExactAndTheHeadIsBf16) {
  for (const TrainPrecision mode : {TrainPrecision::kBf16, TrainPrecision::kFp8}) {
    PrecisionConfig config;
    config.mode = mode;
    const Precision precision(config);
    EXPECT_EQ(precision.of(kRouter).activation.format, GemmFormat::kF32);
    EXPECT_EQ(precision.of(kHead).activation.format, GemmFormat::kBf16);
  }
}

}  // namespace
}  // namespace fathom::model::training
