#pragma once
// What all ranks have, dealt to one; what each has, added up.
#include "engine/make_engine.h"

namespace fathom::engine {

/// An even part, rounded up; of the prompts' tokens that may wait at least one context's, so that
/// every prompt fits somewhere. The folder of cached pages gets one for each rank. Choices of a
/// request run on one rank, so they are max_running's part at most.
EngineOptions options_of_rank(EngineOptions all, int rank, i64 ranks);

/// Adds one rank's counters to those of all; `experts` is of all ranks anyway.
void add_counters(const EngineCounters& rank, EngineCounters& total);

}  // namespace fathom::engine
