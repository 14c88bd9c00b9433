#include "posttrain/warm_up.h"

#include <algorithm>

#include "train/run/plan.h"

namespace fathom::posttrain {

void fit_default_warm_up(RunConfig& config) {
  const i64 by_default = ScheduleConfig{}.warmup_steps;
  if (config.schedule.warmup_steps != by_default) return;
  config.schedule.warmup_steps = std::min(by_default, train::RunPlan(config).steps() / 10);
}

}  // namespace fathom::posttrain
