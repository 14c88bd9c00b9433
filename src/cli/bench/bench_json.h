#pragma once
// What `fathom bench --json` says of the machine and of each timing.
#include "device/ctx.h"
#include "engine/measure/benchmark.h"
#include "engine/measure/beside_prompt_benchmark.h"
#include "engine/measure/draft_benchmark.h"
#include "io/json.h"

namespace fathom::cli {

io::JsonObject machine_json(const Ctx& ctx, const engine::MachineSpeed& machine);
/// With its shares of what the machine can do.
io::JsonObject timing_json(const engine::Timing& t, const engine::MachineSpeed& machine);

io::JsonObject beside_prompt_json(const engine::BesidePromptTiming& t);
io::JsonObject draft_json(const engine::DraftTiming& t);

}  // namespace fathom::cli
