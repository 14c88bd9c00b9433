#pragma once
#include "config/run/run_config.h"

namespace fathom::posttrain {

/// schedule.warmup_steps at its default is V3's for 14.8 T tokens: of a stage's run it becomes a
/// tenth of the steps where that is less. `config` says how long the run is.
void fit_default_warm_up(RunConfig& config);

}  // namespace fathom::posttrain
