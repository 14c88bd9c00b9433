#pragma once
#include "posttrain/loaded_stage.h"

namespace fathom::posttrain {

/// The stage that `config` names. Throws Error: what the stage refuses.
LoadedStage load_stage(const RunConfig& config);

}  // namespace fathom::posttrain
