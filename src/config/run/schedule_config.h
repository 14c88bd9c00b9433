#pragma once
// The [schedule] section of a run file: the learning rate over the run.
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "base/types.h"
#include "config/field_list.h"

namespace fathom {

/// After the warm-up:
///   kV3        constant, cosine, then two constant tails (DeepSeek-V3 §4.2)
///   kCosine    cosine to the end of the run
///   kWsd       constant ("stable"), then linear over the last decay_frac
///   kConstant  constant
enum class ScheduleShape { kV3, kCosine, kWsd, kConstant };
inline constexpr std::array<std::pair<ScheduleShape, std::string_view>, 4> kScheduleShapeNames = {{
    {ScheduleShape::kV3, "v3"},
    {ScheduleShape::kCosine, "cosine"},
    {ScheduleShape::kWsd, "wsd"},
    {ScheduleShape::kConstant, "constant"},
}};

/// Fractions are of the run's tokens. V3: 2000 steps up to 2.2e-4, constant to 10T of 14.8T tokens,
/// cosine to 2.2e-5 at 14.3T, constant to 14.633T, 7.3e-6 to the end.
struct ScheduleConfig {
  ScheduleShape shape = ScheduleShape::kV3;
  double peak_lr = 2.2e-4;
  i64 warmup_steps = 2000;
  double final_lr_frac = 0.1;
  double cosine_begin_frac = 0.676;
  double cosine_end_frac = 0.966;
  double tail_begin_frac = 0.989;
  double tail_lr_frac = 0.0332;
  double decay_frac = 0.1;

  void list_fields(FieldList& list);
  void check(const std::string& prefix, Problems& problems) const;
};

}  // namespace fathom
