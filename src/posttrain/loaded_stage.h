#pragma once
#include <memory>

#include "config/run/run_config.h"
#include "train/stage.h"

namespace fathom::posttrain {

/// A run file whose stage is made, and what it then says: everything that follows from the samples.
struct LoadedStage {
  RunConfig config;
  std::unique_ptr<train::Stage> stage;  // nullptr: pre-training, which makes its own
};

}  // namespace fathom::posttrain
