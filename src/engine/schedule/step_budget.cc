#include "engine/schedule/step_budget.h"

#include <algorithm>

#include "base/check.h"

namespace fathom::engine {

StepBudget::StepBudget(const SchedulerLimits& limits) : limits_(limits) {
  // Otherwise a slow decode pass would leave no time for a layer, ever.
  FATHOM_CHECK(limits.target_decodes > 1 && limits.target_s > 0, "target ", limits.target_decodes,
               " decode passes, ", limits.target_s, " s");
  FATHOM_CHECK(limits.decode_share > 0 && limits.decode_share < 1, "decode share ",
               limits.decode_share);
}

double StepBudget::target_s(double decode_s) const {
  return std::max(limits_.target_decodes * decode_s, limits_.target_s);
}

void StepBudget::decoded(double estimate_s) {
  const double earned_s = estimate_s * (1 / limits_.decode_share - 1);
  earned_s_ = std::min(earned_s_ + earned_s, std::max(target_s(estimate_s), earned_s));
}

void StepBudget::spend(double slice_s) {
  // A debt of more than a few steps would let one hiccup inside a layer hold up the prompts.
  earned_s_ = std::max(earned_s_ - slice_s, -4 * limits_.target_s);
}

double StepBudget::slice_s(double decode_s, double elapsed_s, double layer_s) const {
  const double room_s = target_s(decode_s) - elapsed_s;
  if (earned_s_ <= 0 || room_s <= 0) return 0;
  return std::max(std::min(earned_s_, room_s), layer_s);
}

}  // namespace fathom::engine
