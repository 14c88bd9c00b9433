#pragma once
#include "config/problems.h"
#include "config/run/run_config.h"

namespace fathom::posttrain {

/// For stages whose samples are written while the run goes on: a row of a batch is one of them.
/// Micro-batches that are left open get about 8192 tokens.
void one_sample_a_row(RunConfig& config);

/// Keys that such a stage cannot have.
void check_sample_rows(const RunConfig& config, Problems& problems);

}  // namespace fathom::posttrain
