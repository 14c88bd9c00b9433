#include "model/training/precision.h"

namespace fathom::model::training {
namespace {

using ops::GemmFormat;
using ops::GemmRounding;
using ops::GemmScaling;

GemmScaling gemm_scaling(Fp8Scaling scaling) {
  switch (scaling) {
    case Fp8Scaling::kTile:
      return GemmScaling::kTile;
    case Fp8Scaling::kBlock:
      return GemmScaling::kBlock;
    case Fp8Scaling::kChannel:
      return GemmScaling::kRow;
    case Fp8Scaling::kTensor:
      return GemmScaling::kTensor;
  }
  FATHOM_CHECK(false, "fp8 scaling ", static_cast<int>(scaling));
}

GemmFormat gemm_format(Fp8Format format) {
  return format == Fp8Format::kE4m3 ? GemmFormat::kE4m3 : GemmFormat::kE5m2;
}

LinearRounding same_for_all(GemmFormat format) {
  const GemmRounding rounding{.format = format};
  return {.weight = rounding, .activation = rounding, .gradient = rounding};
}

LinearRounding fp8_rounding(const PrecisionConfig& c) {
  return {.weight = {.format = GemmFormat::kE4m3,
                     .scaling = gemm_scaling(c.fp8_weight_scaling),
                     .power_of_2_scales = c.fp8_power_of_2_scales,
                     .static_amax = static_cast<float>(c.fp8_static_weight_amax)},
          .activation = {.format = GemmFormat::kE4m3,
                         .scaling = gemm_scaling(c.fp8_activation_scaling),
                         .power_of_2_scales = c.fp8_power_of_2_scales,
                         .static_amax = static_cast<float>(c.fp8_static_activation_amax)},
          .gradient = {.format = gemm_format(c.fp8_gradient_format),
                       .scaling = gemm_scaling(c.fp8_gradient_scaling),
                       .power_of_2_scales = c.fp8_power_of_2_scales,
                       .static_amax = static_cast<float>(c.fp8_static_gradient_amax)}};
}

}  // namespace

Precision::Precision(const PrecisionConfig& config)
    : mode_(config.mode), router_(same_for_all(GemmFormat::kF32)) {
  const bool exact = mode_ == TrainPrecision::kF32, fp8 = mode_ == TrainPrecision::kFp8;
  wide_ = same_for_all(exact ? GemmFormat::kF32 : GemmFormat::kBf16);
  linear_ = fp8 ? fp8_rounding(config) : wide_;
  if (fp8) {
    accumulator_ = {.promotion_interval = config.fp8_promotion_interval,
                    .mantissa_bits = static_cast<int>(config.fp8_accumulator_bits)};
  }
  stream_ = exact ? SavedFormat::kF32 : SavedFormat::kBf16;
  linear_input_ = fp8 ? SavedFormat::kE4m3Tiles : stream_;
  attention_output_ = fp8 ? SavedFormat::kE5m6Tiles : stream_;
  expert_hidden_ = fp8 ? SavedFormat::kE4m3Tiles : stream_;
}

const LinearRounding& Precision::of(const Parameter& parameter) const {
  if (parameter.name.ends_with("mlp.gate.weight")) return router_;
  return parameter.kind == ParameterKind::kMatrix ? linear_ : wide_;
}

std::string_view to_string(SavedFormat format) {
  switch (format) {
    case SavedFormat::kF32:
      return "F32";
    case SavedFormat::kBf16:
      return "BF16";
    case SavedFormat::kE4m3Tiles:
      return "FP8 tiles";
    case SavedFormat::kE5m6Tiles:
      return "E5M6 tiles";
  }
  return "?";
}

}  // namespace fathom::model::training
