#pragma once
// The parts of a run file that say what a training step computes: how numbers are rounded, how
// experts are balanced, what weight MTP has, what is saved for the backward pass.
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "base/types.h"
#include "config/field_list.h"

namespace fathom {

enum class TrainPrecision { kF32, kBf16, kFp8 };
inline constexpr std::array<std::pair<TrainPrecision, std::string_view>, 3> kTrainPrecisionNames = {
    {
        {TrainPrecision::kF32, "f32"},
        {TrainPrecision::kBf16, "bf16"},
        {TrainPrecision::kFp8, "fp8"},
    }};

enum class Fp8Scaling { kTile, kBlock, kChannel, kTensor };
inline constexpr std::array<std::pair<Fp8Scaling, std::string_view>, 4> kFp8ScalingNames = {{
    {Fp8Scaling::kTile, "tile"},        // 1x128
    {Fp8Scaling::kBlock, "block"},      // 128x128
    {Fp8Scaling::kChannel, "channel"},  // one a row
    {Fp8Scaling::kTensor, "tensor"},
}};

enum class Fp8Format { kE4m3, kE5m2 };
inline constexpr std::array<std::pair<Fp8Format, std::string_view>, 2> kFp8FormatNames = {{
    {Fp8Format::kE4m3, "e4m3"},
    {Fp8Format::kE5m2, "e5m2"},
}};

/// [precision]. The fp8_* keys count for mode = "fp8" only; their defaults are the paper's recipe.
struct PrecisionConfig {
  TrainPrecision mode = TrainPrecision::kBf16;
  Fp8Scaling fp8_activation_scaling = Fp8Scaling::kTile;
  Fp8Scaling fp8_gradient_scaling = Fp8Scaling::kTile;
  Fp8Scaling fp8_weight_scaling = Fp8Scaling::kBlock;
  Fp8Format fp8_gradient_format = Fp8Format::kE4m3;
  bool fp8_power_of_2_scales = false;
  double fp8_static_activation_amax = 0.0;  // > 0: fixed ranges instead of dynamic ones
  double fp8_static_gradient_amax = 0.0;
  double fp8_static_weight_amax = 0.0;
  i64 fp8_promotion_interval = 128;
  i64 fp8_accumulator_bits = 23;  // 13: Hopper's

  void list_fields(FieldList& list);
  void check(const std::string& prefix, Problems& problems) const;
};

enum class BiasRule { kNone, kSign, kProportional };
inline constexpr std::array<std::pair<BiasRule, std::string_view>, 3> kBiasRuleNames = {{
    {BiasRule::kNone, "none"},
    {BiasRule::kSign, "sign"},
    {BiasRule::kProportional, "proportional"},
}};

/// [balance]. Every loss is a weight; 0 is off.
struct BalanceConfig {
  BiasRule bias_rule = BiasRule::kSign;
  double bias_update_speed = 0.001;  // gamma
  double bias_freeze_frac =
      0.966;                   // of the run's tokens; from there gamma = 0 (V3: 14.3T of 14.8T)
  bool bias_recenter = false;  // subtract the mean of the update (Moonlight)
  double seq_aux_loss_weight = 1e-4;    // V3 alpha, eqs (17)-(20)
  double batch_aux_loss_weight = 0.0;   // the same over the step's whole batch, V3 §4.5.3
  double expert_aux_loss_weight = 0.0;  // V2 alpha_1
  double device_aux_loss_weight = 0.0;  // V2 alpha_2
  double comm_aux_loss_weight = 0.0;    // V2 alpha_3
  i64 num_devices = 1;                  // D of the device and communication losses and of dropping
  i64 max_devices_per_token = 3;        // M of the communication loss
  double capacity_factor = 0.0;         // V2's token dropping a device and sequence; 0: none
  double drop_exempt_frac = 0.1;        // share of sequences that are never dropped from

  void list_fields(FieldList& list);
  void check(const std::string& prefix, Problems& problems) const;
};

/// [mtp]. The depth is the model config's num_nextn_predict_layers.
struct MtpConfig {
  double loss_weight = 0.3;       // lambda
  double late_loss_weight = 0.1;  // lambda from late_frac of the run's tokens on
  double late_frac = 0.676;       // V3: 10T of 14.8T tokens

  void list_fields(FieldList& list);
};

/// [recompute]: what the backward pass recomputes instead of saving it (V3 §3.2.3).
struct RecomputeConfig {
  bool norms = true;
  bool mla_up_projections = true;
  bool swiglu = true;

  void list_fields(FieldList& list);
};

/// What the model's forward and backward pass need to know of a run.
struct TrainingRecipe {
  PrecisionConfig precision;
  BalanceConfig balance;
  MtpConfig mtp;
  RecomputeConfig recompute;
};

}  // namespace fathom
