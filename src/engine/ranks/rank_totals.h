#pragma once
// What all ranks have, dealt to one; what each has, added up.
#include "engine/make_engine.h"

namespace fathom::engine {

/// An even part, rounded up; the folder of cached pages gets one for each rank.
EngineOptions options_of_rank(EngineOptions all, int rank, i64 ranks);

/// Adds one rank's counters to those of all; `experts` is of all ranks anyway.
void add_counters(const EngineCounters& rank, EngineCounters& total);

}  // namespace fathom::engine
