#pragma once
// Where a run's ranks come from.
#include <functional>

#include "comm/comm.h"
#include "config/run/run_config.h"

namespace fathom::cli {

/// fn(world) on every rank: the one of this process if a launcher started it as one of several,
/// else on `ranks` threads. Ranks of one machine share its threads. Throws Error: an engine that is
/// not there, or not what the process was started for.
void run_on_ranks(const RunConfig& config, int ranks, const std::function<void(comm::Comm&)>& fn);

}  // namespace fathom::cli
