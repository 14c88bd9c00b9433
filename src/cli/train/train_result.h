#pragma once
#include <string>

#include "train/run.h"

namespace fathom::cli {

/// What came of a run, on stdout. `out`: its directory.
void print_train_result(const train::TrainResult& result, const std::string& out, bool json);

}  // namespace fathom::cli
