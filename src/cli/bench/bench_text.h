#pragma once
// The tables that `fathom bench` prints.
#include <vector>

#include "engine/measure/benchmark.h"
#include "engine/measure/beside_prompt_benchmark.h"
#include "engine/measure/draft_benchmark.h"

namespace fathom::cli {

/// With their shares of what the machine can do.
void print_timings(const std::vector<engine::Timing>& timings, const engine::MachineSpeed& machine);
void print_drafts(const std::vector<engine::DraftTiming>& drafts);
void print_beside_prompt(const std::vector<engine::BesidePromptTiming>& beside);

}  // namespace fathom::cli
