#include "config/run/training_recipe.h"

#include <fmt/format.h>

namespace fathom {
namespace {

constexpr Range kShare = {.min = 0, .max = 1};
constexpr Range kNotNegative = {.min = 0};

}  // namespace

void PrecisionConfig::list_fields(FieldList& list) {
  list.add("mode", mode, kTrainPrecisionNames,
           "what the Linear products round their operands to: f32 (nothing), bf16, or fp8 as V3");
  list.add("fp8_activation_scaling", fp8_activation_scaling, kFp8ScalingNames,
           "numbers that share a scale: tile (1x128), block (128x128), channel (a row), tensor");
  list.add("fp8_gradient_scaling", fp8_gradient_scaling, kFp8ScalingNames,
           "the same for gradients of activations");
  list.add("fp8_weight_scaling", fp8_weight_scaling, kFp8ScalingNames, "the same for weights");
  list.add("fp8_gradient_format", fp8_gradient_format, kFp8FormatNames,
           "e4m3 (V3 uses it everywhere) or e5m2");
  list.add("fp8_power_of_2_scales", fp8_power_of_2_scales, "scales are powers of two (UE8M0)");
  list.add("fp8_static_activation_amax", fp8_static_activation_amax,
           "a fixed range of activations instead of their own largest number; 0: dynamic",
           kNotNegative);
  list.add("fp8_static_gradient_amax", fp8_static_gradient_amax, "the same for gradients",
           kNotNegative);
  list.add("fp8_static_weight_amax", fp8_static_weight_amax, "the same for weights", kNotNegative);
  list.add("fp8_promotion_interval", fp8_promotion_interval,
           "products summed before the sum is scaled and added in f32 (V3: 128)", {.min = 1});
  list.add("fp8_accumulator_bits", fp8_accumulator_bits,
           "mantissa bits of those sums; 13 is Hopper's short accumulator, 23 is f32",
           {.min = 1, .max = 23});
}

void PrecisionConfig::check(const std::string& prefix, Problems& problems) const {
  if (mode == TrainPrecision::kFp8) return;
  const PrecisionConfig defaults;
  const auto need_fp8 = [&](bool changed, const char* key) {
    if (changed) problems.invalid(prefix + key, "counts for mode = \"fp8\" only");
  };
  need_fp8(fp8_activation_scaling != defaults.fp8_activation_scaling, "fp8_activation_scaling");
  need_fp8(fp8_gradient_scaling != defaults.fp8_gradient_scaling, "fp8_gradient_scaling");
  need_fp8(fp8_weight_scaling != defaults.fp8_weight_scaling, "fp8_weight_scaling");
  need_fp8(fp8_gradient_format != defaults.fp8_gradient_format, "fp8_gradient_format");
  need_fp8(fp8_power_of_2_scales, "fp8_power_of_2_scales");
  need_fp8(fp8_static_activation_amax > 0, "fp8_static_activation_amax");
  need_fp8(fp8_static_gradient_amax > 0, "fp8_static_gradient_amax");
  need_fp8(fp8_static_weight_amax > 0, "fp8_static_weight_amax");
  need_fp8(fp8_promotion_interval != defaults.fp8_promotion_interval, "fp8_promotion_interval");
  need_fp8(fp8_accumulator_bits != defaults.fp8_accumulator_bits, "fp8_accumulator_bits");
}

void BalanceConfig::list_fields(FieldList& list) {
  list.add(
      "bias_rule", bias_rule, kBiasRuleNames,
      "how the router's bias follows the load: sign (V3), proportional (to the load's relative "
      "distance from the mean; for softmax gates), none");
  list.add("bias_update_speed", bias_update_speed, "gamma, a step", kNotNegative);
  list.add("bias_freeze_frac", bias_freeze_frac,
           "share of the run's tokens after which gamma is 0 (V3: 14.3T of 14.8T)", kShare);
  list.add("bias_recenter", bias_recenter,
           "subtract the mean of a layer's updates, so that the biases stay bounded (Moonlight)");
  list.add("seq_aux_loss_weight", seq_aux_loss_weight,
           "alpha of the sequence-wise loss (V3: 1e-4); 0: none", kNotNegative);
  list.add("batch_aux_loss_weight", batch_aux_loss_weight,
           "the same loss over the whole batch of the step; costs one more forward pass where a "
           "step has several micro-batches",
           kNotNegative);
  list.add("expert_aux_loss_weight", expert_aux_loss_weight,
           "V2's expert-level loss, alpha 1 (V2: 0.003)", kNotNegative);
  list.add("device_aux_loss_weight", device_aux_loss_weight,
           "V2's device-level loss, alpha 2 (V2: 0.05)", kNotNegative);
  list.add("comm_aux_loss_weight", comm_aux_loss_weight,
           "V2's communication loss, alpha 3 (V2: 0.02)", kNotNegative);
  list.add("num_devices", num_devices,
           "parts that the experts are dealt to, for the two losses above and for dropping",
           {.min = 1, .max = 65536});
  list.add("max_devices_per_token", max_devices_per_token, "M of the communication loss",
           {.min = 1, .max = 65536});
  list.add("capacity_factor", capacity_factor,
           "tokens a device may take of a sequence, relative to an even share; the lowest scores "
           "above it are dropped (V2: 1.0); 0: nothing is dropped",
           kNotNegative);
  list.add("drop_exempt_frac", drop_exempt_frac, "share of sequences that nothing is dropped from",
           kShare);
}

void BalanceConfig::check(const std::string& prefix, Problems& problems) const {
  if (comm_aux_loss_weight > 0 && max_devices_per_token > num_devices) {
    problems.invalid(
        prefix + "max_devices_per_token",
        fmt::format("{} is more than num_devices = {}", max_devices_per_token, num_devices));
  }
  if (bias_recenter && bias_rule == BiasRule::kNone) {
    problems.invalid(prefix + "bias_recenter", "there is nothing to recentre without a bias_rule");
  }
}

void MtpConfig::list_fields(FieldList& list) {
  list.add("loss_weight", loss_weight,
           "lambda, of the modules that the model's num_nextn_predict_layers asks for",
           kNotNegative);
  list.add("late_loss_weight", late_loss_weight, "lambda from late_frac on", kNotNegative);
  list.add("late_frac", late_frac, "share of the run's tokens (V3: 10T of 14.8T)", kShare);
}

void RecomputeConfig::list_fields(FieldList& list) {
  list.add("norms", norms, "RMSNorm outputs are recomputed in the backward pass, not saved");
  list.add("mla_up_projections", mla_up_projections, "the same for queries, keys and values");
  list.add("swiglu", swiglu, "the same for SwiGLU's product");
}

}  // namespace fathom
